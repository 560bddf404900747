"""How many connections are replaced, and when (ESL Eq. 2, chapter 02)."""

from __future__ import annotations

from math import ceil, cos, pi


def cosine_fraction(t: float, alpha: float, t_end: float) -> float:
    r"""The fraction of connections replaced at iteration t (ESL Eq. 2).

    $$ f(t) = \frac{\alpha}{2} \left(1 + \cos \frac{\pi t}{T_\mathrm{end}}\right) $$

    From t_end on it is 0. alpha is f(0), 0 to 1. Raises ValueError for alpha outside, or a negative t.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is a fraction, 0 to 1, found {alpha}")
    if t < 0:
        raise ValueError(f"t counts iterations from 0, found {t}")
    return alpha / 2 * (1 + cos(pi * t / t_end)) if t < t_end else 0.0


def round_up(x: float) -> int:
    """The smallest integer not below x, forgiving rounding errors: 0.07 * 100 = 7.000000000000001 gives 7."""
    return ceil(x - 1e-9)
