"""Sparse spiking networks down to the last derivative: ESL-SNNs and SCA in pure NumPy/CuPy, by hand."""

__version__ = "0.1.0"
