"""What the two papers compare with, and baselines: one learner, one file. None of them is part of the papers."""
