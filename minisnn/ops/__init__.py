"""The equations of layers and neurons: a forward and a backward side by side in one short file each.

Those of losses are in `training/losses.py`, those of connections and channels in `structure`.
"""
