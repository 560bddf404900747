"""How many connections are replaced, and when (ESL Eq. 2, chapter 02)."""

from __future__ import annotations

from math import ceil, cos, pi


def cosine_fraction(t: float, alpha: float, t_end: float, eta_min: float = 0.0) -> float:
    r"""The fraction of connections replaced at iteration t (ESL Eq. 2).

    $$ f(t) = \eta_\mathrm{min} + \frac{\alpha - \eta_\mathrm{min}}{2}
       \left(1 + \cos \frac{\pi t}{T_\mathrm{end}}\right) $$

    From t_end on it is eta_min, which is 0 in Eq. 2; sparse_learning and ITOP have 0.005. alpha is f(0), 0 to 1.
    Raises ValueError for alpha outside, an eta_min outside 0 to alpha, or a negative t.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is a fraction, 0 to 1, found {alpha}")
    if not 0 <= eta_min <= alpha:
        raise ValueError(f"eta_min must be 0 to alpha = {alpha}, found {eta_min}")
    if t < 0:
        raise ValueError(f"t counts iterations from 0, found {t}")
    return eta_min + (alpha - eta_min) / 2 * (1 + cos(pi * t / t_end)) if t < t_end else eta_min


def round_up(x: float) -> int:
    """The smallest integer not below x, forgiving rounding errors: 0.07 * 100 = 7.000000000000001 gives 7."""
    return ceil(x - 1e-9)
