"""What hypothesis draws: shapes and a seed. The numbers themselves come from the seed."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

seeds = st.integers(0, 2**32 - 1)
rngs = st.builds(np.random.default_rng, seeds)
sizes = st.integers(1, 9)


def spikes(rng, batch, n, kind="distinct"):
    """z of inputs. distinct: all different; few: two or three times, so mostly ties; never: a third never comes."""
    if kind == "few":
        return rng.choice([1.0, 2.5, 6.0], (batch, n))
    z = np.exp(rng.uniform(0, 2, (batch, n)))
    if kind == "never":
        z[rng.random((batch, n)) < 1 / 3] = np.inf
    return z


def weights(rng, n, m, total=3.0, masked=0.0):
    """Weights of which most neurons fire, some early and some late, and some never; some may be absent."""
    w = total * rng.uniform(-0.3, 1.0) / n + rng.standard_normal((n, m)) / n**0.5
    return w * (rng.random((n, m)) >= masked)


kinds = st.sampled_from(["distinct", "few", "never"])
