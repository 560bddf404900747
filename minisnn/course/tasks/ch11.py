"""The tasks of chapter 11: charge, fire, reset."""

import numpy as np
from scipy.optimize import brentq

from minisnn.course.declare import choice, number, task
from minisnn.ops.lif import lif_forward
from minisnn.ops.neuron import Neuron, leaky

# warm-up: the threshold of a normal form, for tau_m = 4, v_th = 1, v_reset = -0.2
(
    number(11, "warm-up", "normal_threshold", 4.8)
    .usual(4.0, "the threshold is measured from 0 and not from rest", "The derivation")
    .usual(
        0.3, "potentials are multiplied by the gain, where the normal form divides by it", "The derivation"
    )
    .usual(1.6, "the decay is taken for the gain", "The derivation")
    .usual(3.2, "the rest is added to the threshold; it is subtracted, and it is negative")
    .usual(1.2, "the gain is left out: an input that decays has the gain 1/τ_m")
)


# core: the colleague's neuron, whose input decays
@task(11, "core", rtol=1e-6, valid=lambda decay, v_th, alpha: 0 <= decay < 1 and v_th > 0 and alpha > 0)
def translated(decay, v_th, alpha):
    """Measured on the neurons: the leak of a pulse, and how much smaller the potentials are."""
    pulse = np.array([1.0, 0.0])

    def potentials(neuron):
        return lif_forward(pulse, neuron)[1].u

    def leak(tau_m):
        u = potentials(leaky(tau_m, v_th=1e9))
        return u[1] / u[0]

    tau_m = 1.0 if decay == 0 else brentq(lambda tau_m: leak(tau_m) - decay, 1, 1e4, xtol=1e-12, rtol=1e-14)
    smaller = potentials(leaky(tau_m, v_th=1e9))[0] / potentials(Neuron(decay, v_th=1e9))[0]
    return tau_m, v_th * smaller, alpha / smaller


@translated.cases
def _(rng):
    yield from ((0.5, 1.0, 4.0), (0.0, 1.0, 4.0), (0.75, 1.0, 1.0), (0.9, 0.7, 2.0))
    for _ in range(10):
        yield float(rng.uniform(0, 0.95)), float(rng.uniform(0.3, 2)), float(rng.uniform(1, 5))


@translated.wrong("the threshold is left as it is, though all potentials are smaller", "The derivation")
def same_threshold(decay, v_th, alpha):
    return 1 / (1 - decay), v_th, alpha / (1 - decay)


@translated.wrong(
    "the threshold is divided by the gain: that leads to the normal form, not away from it", "The derivation"
)
def larger_threshold(decay, v_th, alpha):
    return 1 / (1 - decay), v_th / (1 - decay), alpha / (1 - decay)


@translated.wrong(
    "the sigmoid is left as it is, so that the spikes agree and the gradients do not", "The derivation"
)
def same_sigmoid(decay, v_th, alpha):
    return 1 / (1 - decay), v_th * (1 - decay), alpha


@translated.wrong("α is treated like a width: a sigmoid with a larger α is narrower", "The derivation")
def as_width(decay, v_th, alpha):
    return 1 / (1 - decay), v_th * (1 - decay), alpha * (1 - decay)


@translated.wrong("the decay is divided by what leaks, in place of 1", "The derivation")
def odds(decay, v_th, alpha):
    return decay / (1 - decay), v_th * (1 - decay), alpha / (1 - decay)


@translated.wrong(
    "this is τ_m of the exact step, τ = exp(-1/τ_m): the library takes Euler's", "The derivation"
)
def exact_step(decay, v_th, alpha):
    tau_m = -1 / np.log(decay) if decay else 0.0
    return tau_m, v_th * (1 - decay), alpha / (1 - decay)


@translated.wrong("what leaks, 1 - τ, is given where its inverse belongs", "The derivation")
def what_leaks(decay, v_th, alpha):
    return 1 - decay, v_th * (1 - decay), alpha / (1 - decay)


@translated.wrong("the parts of the tuple have changed places", "Core: the same network on another library")
def other_order(decay, v_th, alpha):
    return v_th * (1 - decay), 1 / (1 - decay), alpha / (1 - decay)


# break it: the gate of a hard reset that does not go to 0
@task(11, "break it", rtol=1e-6, atol=1e-8)
def reset_gate(u, a, h, v_reset):
    """Central differences of v, with a spike that grows by h for each unit of potential."""

    def v(du):
        spike = a + h * du
        return (1 - spike) * (u + du) + spike * v_reset

    return np.round((v(1e-3) - v(-1e-3)) / 2e-3, 9)  # what is printed shall look like what it is


@reset_gate.cases
def _(rng):
    yield from ((0.5, 0.0, 0.0, 0.0), (0.5, 0.0, 1.0, 0.0), (1.5, 1.0, 0.5, -1.0), (0.5, 0.0, 0.5, 0.25))
    for _ in range(10):
        yield (
            rng.normal(size=3),
            rng.integers(0, 2, 3).astype(float),
            rng.uniform(0, 1, 3),
            float(rng.normal()),
        )


@reset_gate.wrong("the reset potential is left out: a spike also adds V_reset", "The derivation")
def planted(u, a, h, v_reset):
    return (1 - a) - u * h


@reset_gate.wrong(
    "the reset is left out of the gradient, as if the spike were a constant", "The four conventions"
)
def detached(u, a, h, v_reset):
    return (1 - a) + 0 * h


@reset_gate.wrong("the two terms with the slope have their signs the other way round", "The derivation")
def signs(u, a, h, v_reset):
    return (1 - a) + (u - v_reset) * h


@reset_gate.wrong("the reset potential is subtracted like u: it comes in with a plus", "The derivation")
def subtracted(u, a, h, v_reset):
    return (1 - a) - (u + v_reset) * h


@reset_gate.wrong("V_reset is multiplied by the spike, and not by its slope", "The derivation")
def by_the_spike(u, a, h, v_reset):
    return (1 - a) - u * h + v_reset * a


@reset_gate.wrong("V_reset is added without the slope of the spike that brings it", "The derivation")
def no_slope(u, a, h, v_reset):
    return (1 - a) - u * h + v_reset


@reset_gate.wrong("this is the gate of a soft reset, with V_reset for the threshold", "The derivation")
def soft(u, a, h, v_reset):
    return 1 - v_reset * h + 0 * a


# explore: when does a late soft reset not matter?
(
    choice(11, "explore", "late_is_the_same", "c")
    .wrong(
        "a",
        "With τ = 0 the reset within the step takes nothing away, the late one takes the whole threshold.",
    )
    .wrong("b", "With τ = 0.5 the late reset takes away twice as much: look at the curve there.")
    .wrong("d", "Look at both ends of the curve.", "The four conventions")
)


# derive: the weakest constant current that fires
@task(
    11,
    "derive",
    rtol=1e-6,
    atol=1e-8,
    valid=lambda decay, gain, v_th, v_rest: 0 <= decay < 1 and gain > 0 and v_th > v_rest,
)
def weakest_current(decay, gain, v_th, v_rest):
    """Found by bracketing: the current whose potential ends at the threshold, stepped until it stands still."""

    def last(current):
        u = v_rest
        for _ in range(600):
            u = v_rest + decay * (u - v_rest) + gain * current
        return u

    return brentq(lambda current: last(current) - v_th, -100, 100, xtol=1e-13)


@weakest_current.cases
def _(rng):
    yield from ((0.5, 1.0, 1.0, 0.0), (0.0, 1.0, 1.0, 0.0), (0.5, 0.5, 1.0, 0.0), (0.5, 1.0, 1.0, -1.0))
    for _ in range(8):
        v_rest = float(rng.normal())
        yield (
            float(rng.uniform(0, 0.95)),
            float(rng.uniform(0.2, 2)),
            v_rest + float(rng.uniform(0.2, 2)),
            v_rest,
        )


@weakest_current.wrong("the threshold is measured from 0 and not from rest", "The derivation")
def from_zero(decay, gain, v_th, v_rest):
    return (1 - decay) * v_th / gain


@weakest_current.wrong("the gain multiplies, where it must divide", "The derivation")
def gain_on_top(decay, gain, v_th, v_rest):
    return (1 - decay) * (v_th - v_rest) * gain


@weakest_current.wrong("the rest is added to the threshold: it is subtracted", "The derivation")
def rest_added(decay, gain, v_th, v_rest):
    return (1 - decay) * (v_th + v_rest) / gain


@weakest_current.wrong("the gain is left out", "The derivation")
def no_gain(decay, gain, v_th, v_rest):
    return (1 - decay) * (v_th - v_rest)


@weakest_current.wrong(
    "the current must fire the neuron in its first step, without the help of the steps before"
)
def at_once(decay, gain, v_th, v_rest):
    return (v_th - v_rest) / gain


@weakest_current.wrong(
    "the factor 1 - τ stands on the wrong side: what leaks must be replaced, and that is less for a slow leak"
)
def upside_down(decay, gain, v_th, v_rest):
    return (v_th - v_rest) / (gain * (1 - decay))


@weakest_current.wrong("the current replaces what is kept, τ, and not what leaks, 1 - τ", "The derivation")
def kept(decay, gain, v_th, v_rest):
    return decay * (v_th - v_rest) / gain
