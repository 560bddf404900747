"""Many runs: grids of settings, sweeps, comparisons, and the tables that they fill."""
