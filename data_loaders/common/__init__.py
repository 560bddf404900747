"""What all loaders share: the `DataSet`, its checks, downloads, files."""
