"""How many connections are replaced, and when (ESL Eq. 2, chapter 02). Learning rates are in training/optim.py."""

from __future__ import annotations

from math import ceil, floor, inf

import numpy as np

from minisnn.arguments import check, numbers
from minisnn.backend import Array


def cosine_fraction(t: Array, alpha: float, t_end: float, eta_min: float = 0.0) -> Array:
    r"""The fraction of connections replaced at iteration t (ESL Eq. 2).

    $$ f(t) = \eta_\mathrm{min} + \frac{\alpha - \eta_\mathrm{min}}{2}
       \left(1 + \cos \frac{\pi \min(t, T_\mathrm{end})}{T_\mathrm{end}}\right) $$

    t: iterations from 0, a number or an array of them. alpha: f(0), 0 to 1. t_end: in iterations; from there on f is
    eta_min. That is 0 in Eq. 2, so that rewiring ends; in sparse_learning and ITOP it is 0.005, and rewiring goes on
    at that rate. Returns a float, or a float64 array of t's shape. Raises ValueError for an alpha outside 0 to 1, an
    eta_min outside 0 to alpha, or a negative t or t_end.
    """
    check("alpha", alpha, 0 <= alpha <= 1, "a fraction, 0 to 1")
    check("eta_min", eta_min, 0 <= eta_min <= alpha, f"0 to alpha = {alpha}")
    check("t_end", t_end, 0 <= t_end < inf, "0 or more, and finite")
    (steps,) = numbers(t=t)
    check("t", t, not (steps < 0).any(), "0 or more, it counts iterations")
    part = np.minimum(steps, t_end) / t_end if t_end else np.ones(steps.shape)
    fraction = eta_min + (alpha - eta_min) / 2 * (1 + np.cos(np.pi * part))
    return fraction if steps.ndim else float(fraction)


def round_up(x: float) -> int:
    """The smallest integer not below x, tolerating rounding errors: 0.07 * 100 = 7.000000000000001 gives 7."""
    return ceil(x - 1e-9)


def round_down(x: float) -> int:
    """The largest integer not above x, tolerating rounding errors: 0.29 * 100 = 28.999999999999996 gives 29."""
    return floor(x + 1e-9)
