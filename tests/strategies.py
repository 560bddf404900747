"""What hypothesis draws: shapes and a seed. The numbers themselves come from the seed."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import strategies as st

from minisnn.faster import blocks
from minisnn.ops.neuron import Neuron
from minisnn.ops.surrogate.arctan import ArcTan
from minisnn.ops.surrogate.rectangle import Rectangle
from minisnn.ops.surrogate.sigmoid import Sigmoid
from minisnn.ops.surrogate.triangle import Triangle

seeds = st.integers(0, 2**32 - 1)
rngs = st.builds(np.random.default_rng, seeds)
sizes = st.integers(1, 9)
characters = st.characters(exclude_categories=["Cs"])
"""Those of `st.text()`, which asks the codec about each of a million first."""


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

few = st.integers(1, 4)
triangles = st.builds(Triangle, st.floats(0.5, 2))
rectangles = st.builds(Rectangle, st.floats(0.5, 2))
sigmoids = st.builds(Sigmoid, st.floats(1, 4))
arctans = st.builds(ArcTan, st.floats(1, 4))
surrogates = triangles | rectangles | sigmoids | arctans
neurons = st.builds(
    Neuron,
    decay=st.sampled_from([0.5, 1.0]) | st.floats(0, 1),
    gain=st.just(1.0) | st.floats(0.25, 2),
    v_th=st.floats(0.5, 2),
    v_reset=st.none() | st.just(0.0) | st.floats(-1, 0.3),
    detach_reset=st.booleans(),
    fire_at_equality=st.booleans(),
    surrogate=surrogates,
)


def kink_distance(surrogate, x):
    """How near the nearest of x is to a point where the surrogate's step or slope has a corner."""
    corners = {
        Triangle: lambda s: (-s.gamma, 0, s.gamma),
        Rectangle: lambda s: (-s.width / 2, s.width / 2),
    }.get(type(surrogate), lambda s: ())(surrogate)
    return min((abs(x - corner).min(initial=np.inf) for corner in corners), default=np.inf)


@contextmanager
def pieces(size, *places, threads=2):
    """Work in pieces of some `size` elements, on so many threads. places: (module, name) of each size."""
    with pytest.MonkeyPatch.context() as patch, blocks.use_threads(threads):
        for module, name in [*places, (blocks, "ON_DEVICE")]:
            patch.setattr(module, name, size)
        patch.setattr(blocks, "LARGER", 1)
        yield
