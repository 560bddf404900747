"""Every data set by name: loading it, finding its files on this machine, and its stand-in."""

from __future__ import annotations

from data_loaders.catalogue.by_name import DATA_SETS, load, load_stand_in, own_path
from data_loaders.catalogue.places import places, state, where

__all__ = ["DATA_SETS", "load", "load_stand_in", "own_path", "places", "state", "where"]
