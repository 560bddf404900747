"""The tasks, one file per chapter: oracles, cases, usual mistakes. The solutions are in teacher/."""
