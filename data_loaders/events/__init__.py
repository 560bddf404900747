"""A simulated event camera, and frames of events."""
