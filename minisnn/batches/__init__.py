"""From a data set to what a network takes: batches made ahead, augmented, encoded. Loading is for `data_loaders`."""
