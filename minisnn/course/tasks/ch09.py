"""The tasks of chapter 09, reset and backpropagation through time."""

import numpy as np

from minisnn.course.declare import choice, number, task

# warm-up: u = 0.5, h = (0.5, 0.25), g = (1, 2), decay 0.5
(
    number(9, "warm-up", "first_delta", 0.6875)
    .usual(0.75, "the path through the reset is left out: this is detached", "The derivation")
    .usual(0.5, "nothing comes back through time", "The derivation")
    .usual(
        0.8125,
        "the path through the reset has the wrong sign: more potential makes the reset more likely",
        "The derivation",
    )
    .usual(
        0.71875, "the gate has the slope of step 2: the way from step 1 to step 2 passes the gate of step 1"
    )
    .usual(1.25, "the slope of step 2 is left out: δ_2 is g_2 h_2", "The derivation")
    .usual(0.4375, "step 1 is taken for a spike: its gate has 1 - a_1 = 1", "The derivation")
    .usual(0.875, "the leak is left out", "The derivation")
    .usual(0.1875, "the spike of step 1 itself is left out", "The derivation")
)


# core: half a reset
@task(9, "core", rtol=1e-6, atol=1e-8)
def half_gate(u, a, h):
    """Central differences, with a spike that grows by h for each unit of potential."""

    def v(du):
        return (u + du) * (1 - (a + h * du) / 2)

    return np.round((v(1e-3) - v(-1e-3)) / 2e-3, 9)  # what is printed shall look like what it is


@half_gate.cases
def _(rng):
    yield from ((0.5, 0.0, 0.0), (1.5, 1.0, 0.0), (0.5, 0.0, 0.5), (1.5, 1.0, 0.5), (1.0, 0.5, 1.0))
    for _ in range(8):
        yield rng.normal(1, 1, 3), rng.uniform(0, 1, 3), rng.uniform(0, 1, 3)


@half_gate.wrong("the path through the spike is left out: this is detached", "The derivation")
def detached(u, a, h):
    return 1 - a / 2 + 0 * h


@half_gate.wrong("the whole potential goes with the spike, and only half of it does", "Core: half a reset")
def whole(u, a, h):
    return 1 - a / 2 - u * h


@half_gate.wrong("this is the gate of Eq. 9, whose spike takes all of the potential", "The question")
def of_eq_9(u, a, h):
    return (1 - a) - u * h


@half_gate.wrong("the path through the spike has the wrong sign", "The derivation")
def sign(u, a, h):
    return 1 - a / 2 + u / 2 * h


@half_gate.wrong(
    "the slope is computed from the spike, as if it were a sigmoid: it is given", "Core: half a reset"
)
def of_a_sigmoid(u, a, h):
    return 1 - a / 2 - u * 4 * a * (1 - a) / 2


@half_gate.wrong("only the path through the spike is left", "The derivation")
def spike_only(u, a, h):
    return -u / 2 * h


@half_gate.wrong("the path through the spike has lost its potential: v loses a / 2 of *u*", "The derivation")
def no_potential(u, a, h):
    return 1 - a / 2 - h / 2


@half_gate.wrong(
    "the whole gate of Eq. 9 is halved: without a spike all of the potential stays", "The question"
)
def all_halved(u, a, h):
    return ((1 - a) - u * h) / 2


# break it: one index off
@task(9, "break it", rtol=1e-8, valid=lambda g, u, a, h, decay: len(g) == len(u) == len(a) == len(h) > 0)
def deltas(g, u, a, h, decay):
    """Forwards in time: one potential is moved, and all later ones follow."""
    T = len(g)
    found = np.zeros(T)
    for s in range(T):
        du = 1.0
        for t in range(s, T):
            found[s] += g[t] * h[t] * du
            du *= decay * ((1 - a[t]) - u[t] * h[t])
    return found


@deltas.cases
def _(rng):
    yield np.array([1.0]), np.array([0.5]), np.array([0.0]), np.array([0.5]), 0.5
    yield np.array([0.0, 1.0]), np.array([0.5, 1.5]), np.array([0.0, 1.0]), np.array([0.5, 0.5]), 0.5
    yield (
        np.array([1.0, 2.0, 3.0]),
        np.array([0.8, 1.3, 0.7]),
        np.array([0.0, 1.0, 0.0]),
        np.array([0.8, 0.7, 0.7]),
        0.5,
    )
    for _ in range(8):
        T = int(rng.integers(2, 7))
        u = rng.normal(0.8, 0.7, T)
        yield (
            rng.normal(size=T),
            u,
            (u > 1).astype(float),
            np.maximum(0, 1 - abs(u - 1)),
            float(rng.uniform(0.3, 1)),
        )


def _back(g, u, a, h, decay, gate=None, shift=0, slope=True, step=1):
    gate = (1 - a) - u * h if gate is None else gate
    found = g * h if slope else g.astype(float)
    order = range(len(g) - 1)
    for t in order[::-1]:
        found[t] += decay * gate[t + shift] * found[t + step]
    return found


@deltas.wrong("the gate of the next step stands where that of this step belongs", "The derivation")
def planted(g, u, a, h, decay):
    return _back(g, u, a, h, decay, shift=1)


@deltas.wrong("the gate is left out: this is the pure leak", "The derivation")
def no_gate(g, u, a, h, decay):
    return _back(g, u, a, h, decay, gate=np.ones(len(g)))


@deltas.wrong("the reset is left out of the gradient: this is detached", "The derivation")
def gate_detached(g, u, a, h, decay):
    return _back(g, u, a, h, decay, gate=1 - a)


@deltas.wrong("the leak is left out", "The derivation")
def no_leak(g, u, a, h, decay):
    return _back(g, u, a, h, 1.0)


@deltas.wrong("the loss's own gradient is not multiplied by the surrogate's slope", "The derivation")
def no_slope(g, u, a, h, decay):
    return _back(g, u, a, h, decay, slope=False)


@deltas.wrong("nothing comes back through time", "The derivation")
def no_time(g, u, a, h, decay):
    return g * h


@deltas.wrong(
    "the loop runs forwards in time, so that each δ meets one that is not finished", "The derivation"
)
def not_reversed(g, u, a, h, decay):
    found, gate = g * h, (1 - a) - u * h
    for t in range(len(g) - 1):
        found[t] += decay * gate[t] * found[t + 1]
    return found


@deltas.wrong("δ comes from the step before: it must come from the step after", "The derivation")
def from_the_past(g, u, a, h, decay):
    found, gate = g * h, (1 - a) - u * h
    for t in range(1, len(g)):
        found[t] += decay * gate[t - 1] * found[t - 1]
    return found


@deltas.wrong("the gate of the step before stands where that of this step belongs", "The derivation")
def gate_before(g, u, a, h, decay):
    return _back(g, u, a, h, decay, shift=-1)


@deltas.wrong("each step meets its own δ, and not that of the step after", "The derivation")
def own_delta(g, u, a, h, decay):
    return _back(g, u, a, h, decay, step=0)


# explore: how far back?
(
    choice(9, "explore", "furthest_back", "d")
    .wrong("a", "Its gate lies between -1 and 1, and is near 0 for many potentials.", "The derivation")
    .wrong("b", "Every spike shuts its gate.", "The derivation")
    .wrong("c", "Its gate is shut at the threshold.", "The derivation")
)


# derive: a leak that learns
@task(9, "derive", valid=lambda delta, v: len(delta) == len(v) > 0)
def decay_gradient(delta, v):
    """The change of all potentials when the leak changes by 1, weighted by δ: step by step, from v_0 = 0."""
    before, change = 0.0, 0.0
    for t in range(len(delta)):
        change += delta[t] * ((1.5 * before) - (0.5 * before))
        before = v[t]
    return change


@decay_gradient.cases
def _(rng):
    yield np.array([1.0]), np.array([2.0])
    yield np.array([1.0, 2.0]), np.array([3.0, 5.0])
    yield np.array([0.0, 0.0, 1.0]), np.array([3.0, 5.0, 7.0])
    yield np.array([1.0, 0.0, 1.0]), np.array([0.5, 0.0, 7.0])
    for _ in range(6):
        T = int(rng.integers(2, 8))
        yield rng.normal(size=T), rng.normal(size=T)


@decay_gradient.wrong(
    "each δ_t meets the potential after its own step; it is the one before that leaks into u_t",
    "The derivation",
)
def same_step(delta, v):
    return float(delta @ v)


@decay_gradient.wrong("only the last step is counted", "The derivation")
def last_only(delta, v):
    return float(delta[-1] * v[-2]) if len(v) > 1 else 0.0


@decay_gradient.wrong("each δ_t meets the potential of a step later", "The derivation")
def later(delta, v):
    return float(delta[:-1] @ v[1:])


@decay_gradient.wrong("the mean over the steps is taken: the leak stands in every step, so it is a sum")
def mean(delta, v):
    return float(delta[1:] @ v[:-1]) / len(v)


@decay_gradient.wrong(
    "at the first step the index -1 is the last potential: there it is v_0 = 0", "The derivation"
)
def wraps_round(delta, v):
    return float(delta @ np.roll(v, 1))


@decay_gradient.wrong("the products of all steps are returned, and not their sum")
def not_summed(delta, v):
    return delta[1:] * v[:-1]


@decay_gradient.wrong("δ is left out, which says how the loss depends on each potential", "The derivation")
def no_delta(delta, v):
    return float(v[:-1].sum())
