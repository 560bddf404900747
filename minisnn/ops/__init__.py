"""The equations: a forward and a backward side by side in one short file each."""
