"""The parameters of a kind of neuron, as they enter the equations of `lif.py`; the papers' kinds (chapter 11)."""

from __future__ import annotations

from dataclasses import dataclass, field

from minisnn.arguments import Spelled, check, number
from minisnn.backend import Array
from minisnn.ops.surrogate import SURROGATES, Surrogate
from minisnn.ops.surrogate.sigmoid import Sigmoid
from minisnn.ops.surrogate.triangle import Triangle


@dataclass(frozen=True)
class Neuron(Spelled):
    """The parameters of a kind of neuron. The defaults are those of TET's code, on which ESL builds.

    decay:            of the potential from step to step, 0 to 1, without a unit; ESL's tau. 1 is a neuron without leak.
    gain:             what the input current is multiplied by.
    v_th:             threshold; potentials and currents have its unit.
    v_reset:          the potential after a spike; None subtracts v_th instead (soft reset).
    detach_reset:     True treats the spike in the reset as a constant in the backward pass.
    fire_at_equality: does u = v_th fire? It does in SpikingJelly (and SCA), not in TET and snnTorch.
    surrogate:        whose slope stands for the derivative of firing.
    smooth:           fire gradually, a = surrogate.step(u - v_th): for gradient checks only.

    The equations are those of `lif_forward`. Raises ValueError for a decay outside 0 to 1, a v_reset not below v_th, a
    value of another type, or a misspelt name.
    """

    decay: float = 0.5
    gain: float = 1.0
    v_th: float = 1.0
    v_reset: float | None = 0.0
    detach_reset: bool = False
    fire_at_equality: bool = False
    surrogate: Surrogate = field(default=Triangle())
    smooth: bool = False

    def __post_init__(self) -> None:
        check("decay", repr(self.decay), 0 <= number("decay", self.decay) <= 1, "0 to 1")
        number("gain", self.gain)
        v_th = number("v_th", self.v_th)
        if self.v_reset is not None:
            holds = number("v_reset", self.v_reset) < v_th
            check("v_reset", self.v_reset, holds, f"below v_th = {self.v_th}")
        for name in ("detach_reset", "fire_at_equality", "smooth"):
            value = getattr(self, name)
            check(name, repr(value), value in (False, True), "True or False")
        is_one = hasattr(self.surrogate, "slope") and not isinstance(self.surrogate, type)
        kinds = ", ".join(f"{type(made).__name__}()" for made in SURROGATES.values())
        check("surrogate", repr(self.surrogate), is_one, f"an object with step and slope, such as {kinds}")

    @property
    def rest(self) -> float:
        """Where the potential starts, and what it leaks towards."""
        return 0.0 if self.v_reset is None else self.v_reset

    @property
    def fires_at_rest(self) -> bool:
        """Does it fire without input?"""
        return self.smooth or self.rest >= self.v_th

    def fire(self, u: Array) -> Array:
        """The spikes a of potentials u (ESL Eq. 8): bool; floating if the neuron is smooth."""
        if self.smooth:
            return self.surrogate.step(u - self.v_th)
        return u >= self.v_th if self.fire_at_equality else u > self.v_th

    def reset(self, u: Array, a: Array) -> Array:
        """The potential v that spikes a leave of u (ESL Eq. 9)."""
        a = a.astype(u.dtype)
        return u - self.v_th * a if self.v_reset is None else (1 - a) * u + self.v_reset * a

    def reset_slope(self, u: Array, a: Array, h: Array) -> Array:
        """dv/du = ∂v/∂u + ∂v/∂a h, with the slope h for da/du; without the second term if the reset is detached."""
        a = a.astype(u.dtype)
        dv_du, dv_da = (1, -self.v_th) if self.v_reset is None else (1 - a, self.v_reset - u)
        return dv_du + 0 * h if self.detach_reset else dv_du + dv_da * h


def leaky(tau_m: float = 2.0, decay_input: bool = True, **others: object) -> Neuron:
    r"""SpikingJelly's LIF neuron, $H = V + (X - (V - V_{reset})) / \tau_m$ (SCA Eq. 2).

    The defaults are SpikingJelly's, too: fires at equality, sigmoid surrogate. tau_m: time constant in steps.
    decay_input: False leaves X undivided. others: further fields of `Neuron`. Raises ValueError for a tau_m below 1.
    """
    check("tau_m", tau_m, number("tau_m", tau_m) >= 1, "at least 1")
    return _spikingjelly(decay=1 - 1 / tau_m, gain=1 / tau_m if decay_input else 1.0, **others)


def integrate_and_fire(**others: object) -> Neuron:
    """SpikingJelly's IF neuron, H = V + X (SCA Eq. 2). others: further fields of `Neuron`; SCA's: detach_reset=True."""
    return _spikingjelly(decay=1.0, **others)


def _spikingjelly(**fields: object) -> Neuron:
    return Neuron(**{"fire_at_equality": True, "surrogate": Sigmoid()} | fields)  # type: ignore[arg-type]
