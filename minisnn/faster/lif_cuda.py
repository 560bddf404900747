"""The GPU twin of lif.py: all time steps of `integrate` and of `adjoint` in one CUDA kernel each.

CuPy runs `integrate` as some five kernels for every step, and each of them carries its arrays to
memory and back. Here one thread follows one neuron through time, its state in a register: every
input is read once, every output written once. Equations and order of operations are those of
lif.py, so that spikes agree bit for bit (docs/design.md, "Speed"); tests/test_lif_cuda.py holds them equal.
To read a kernel, print(lif_cuda_source(Neuron(), "float32")).
"""

from __future__ import annotations

from functools import lru_cache
from string import Template
from typing import Any

import numpy as np

from minisnn.backend import Array, array_module
from minisnn.ops.neuron import Neuron
from minisnn.ops.surrogate.arctan import ArcTan
from minisnn.ops.surrogate.rectangle import Rectangle
from minisnn.ops.surrogate.sigmoid import Sigmoid
from minisnn.ops.surrogate.triangle import Triangle

THREADS = 256  # in one block; neighbours read neighbouring numbers
EXACT = ("--fmad=false",)  # a fused multiply-add rounds once where NumPy rounds twice
KERNELS = Template("""\
typedef $real real;

// current, u, spikes: [T, n]. Thread j has neuron j: in memory at i = j, n + j, 2 n + j, ...
extern "C" __global__ void lif_forward(const real* current, real* u, bool* spikes, int T, long long n) {
    const long long j = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= n) return;
    real v = $rest;
    for (long long i = j; i < T * n; i += n) {
        const real u_t = $charge;
        const real a_t = u_t $fires $v_th;
        v = $reset;
        u[i] = u_t;
        spikes[i] = a_t;
    }
}

// dspikes, u, spikes, dcurrent: [T, n], from the last step to the first.
extern "C" __global__ void lif_backward(const real* dspikes, const real* u, const bool* spikes,
                                        real* dcurrent, int T, long long n) {
    const long long j = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= n) return;
    real carry = 0;  // decay * delta_{t+1}
    for (long long i = (T - 1) * n + j; i >= 0; i -= n) {
        const real u_t = u[i], x = u_t - $v_th;
        real h; $slope
        const real delta = h * (dspikes[i]$lost) + $kept;
        carry = delta * $decay;
        dcurrent[i] = delta$gain;
    }
}
""")


def _real(x: float) -> str:
    """A number in C: a double with all its digits, rounded to `real` as NumPy rounds a Python float."""
    return f"real({float(x)!r})"


SLOPES = {  # h(x), each a line of surrogate.py; constants are computed in double there and here
    Triangle: "h = (fabs(x) - real($gamma)) * real(-1 / ($gamma * $gamma)); h = h < 0 ? 0 : h;",
    Rectangle: "h = fabs(x) < real($width / 2) ? real(1 / $width) : 0;",
    Sigmoid: "const real e = exp(fabs(x) * real(-$alpha)); h = e * real($alpha) / ((e + 1) * (e + 1));",
    ArcTan: "real r = fabs(x * real($pi / 2 * $alpha)); r = r > real(1e15) ? real(1e15) : r; "
    "h = real($alpha / 2) / (r * r + 1);",
}


def runs_here(x: Array, neuron: Neuron) -> bool:
    """Is x on a GPU, and is there a kernel for it?"""
    return hasattr(array_module(x), "RawModule") and supports(neuron, x.dtype)


def supports(neuron: Neuron, dtype: Any) -> bool:
    """Is there a kernel? Not for smooth neurons, unknown surrogates or dtypes, or infinite numbers."""
    if neuron.smooth or type(neuron.surrogate) not in SLOPES or np.dtype(dtype).char not in "fd":
        return False
    return bool(np.isfinite([neuron.gain, neuron.v_th, neuron.rest, *vars(neuron.surrogate).values()]).all())


def lif_cuda_source(neuron: Neuron, dtype: Any) -> str:
    """CUDA C of `lif_forward` and `lif_backward` for this neuron. Raises ValueError unless `supports`."""
    if not supports(neuron, dtype):
        raise ValueError(f"no kernel for {np.dtype(dtype)} and {neuron}")
    rest, decay, v_th, hard = neuron.rest, neuron.decay, _real(neuron.v_th), neuron.v_reset is not None
    fields = {name: float(x) for name, x in vars(neuron.surrogate).items()}  # of ints, 1 / 2 would be 0
    gain = f" * {_real(neuron.gain)}" if neuron.gain != 1 else ""
    leak = f" + {_real((1 - decay) * rest)}" if rest else ""
    reset = "(1 - a_t) * u_t" + (f" + a_t * {_real(rest)}" if rest else "")
    lost = f"(carry * u_t - {_real(rest)} * carry)" if rest else "carry * u_t" if hard else f"{v_th} * carry"
    return KERNELS.substitute(
        real="float" if np.dtype(dtype) == np.float32 else "double",
        slope=Template(SLOPES[type(neuron.surrogate)]).substitute(fields, pi=np.pi),
        charge=f"v * {_real(decay)}{leak} + current[i]{gain}",
        fires=">=" if neuron.fire_at_equality else ">",
        reset=reset if hard else f"u_t - {v_th} * a_t", kept="carry * !spikes[i]" if hard else "carry",
        lost="" if neuron.detach_reset else f" - {lost}",
        rest=_real(rest), decay=_real(decay), v_th=v_th, gain=gain,
    )  # fmt: skip


def lif_cuda_forward(current: Array, neuron: Neuron) -> tuple[Array, Array]:
    """`integrate` on a GPU. current: [T, n], contiguous or else copied. Returns u and spikes (bool), [T, n]."""
    current = array_module(current).ascontiguousarray(current)
    u, spikes = (array_module(current).empty(current.shape, dtype) for dtype in (current.dtype, bool))
    _launch("lif_forward", neuron, current, u, spikes)
    return u, spikes


def lif_cuda_backward(dspikes: Array, u: Array, spikes: Array, neuron: Neuron) -> Array:
    """`adjoint` on a GPU. dspikes, u, spikes: [T, n]. Returns dcurrent [T, n]. Raises ValueError for other shapes."""
    if not dspikes.shape == u.shape == spikes.shape:
        raise ValueError(f"expected one shape, found {dspikes.shape}, {u.shape} and {spikes.shape}")
    to = array_module(u).ascontiguousarray
    dspikes, u, spikes = to(dspikes, u.dtype), to(u), to(spikes, bool)
    dcurrent = array_module(u).empty_like(u)
    _launch("lif_backward", neuron, dspikes, u, spikes, dcurrent)
    return dcurrent


def _launch(name: str, neuron: Neuron, *arrays: Array) -> None:
    T, n = arrays[0].shape
    if n:
        kernel = _kernel(array_module(arrays[0]), name, neuron, arrays[0].dtype)
        kernel((-(-n // THREADS),), (THREADS,), (*arrays, np.int32(T), np.int64(n)))


@lru_cache
def _kernel(xp: Any, name: str, neuron: Neuron, dtype: np.dtype) -> Any:
    return xp.RawModule(code=lif_cuda_source(neuron, dtype), options=EXACT).get_function(name)
