"""A run and its folder: train, load, resume, predict, evaluate, inspect, slim."""
