"""File formats, one file for each, and own data in them."""
