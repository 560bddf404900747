"""Adam and AdamW, a block of weights at a time: all of its operations on one block before the next.

Every operation reads and writes main memory unless what it works on stays in cache; threads share the blocks
(docs/design.md, "Speed"). On a GPU, where each operation is a kernel to start, all of them are one. tests/test_optim.py
holds the twins equal, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from minisnn.backend import Array, array_module
from minisnn.faster.blocks import each, split
from minisnn.training import adamw, optim
from minisnn.training.optim import Arrays, Moments, Optimizer

BLOCK = 1 << 15  # weights at a time
KERNEL = (
    "T g, T beta1, T beta2, T new1, T new2, T unbiased, T lr, T eps",
    "T w, T m, T v",
    """
    m = m * beta1 + new1 * g;
    v = v * beta2 + new2 * g * g;
    w -= lr * m / (sqrt(v / unbiased) + eps);
    """,
    "adam",
)
EXACT = ("--fmad=false",)  # a fused multiply-add rounds once where NumPy rounds twice


@dataclass(frozen=True)
class Adam(optim.Adam):
    """The twin of `optim.Adam`; its subclasses are twins of Adam's relatives."""

    def step(self, params: Arrays, grads: Arrays, moments: Moments, lr: float, k: int) -> None:
        for key, g in grads.items():
            arrays = (params[key], g, *moments[key])
            if not all(a.flags.c_contiguous for a in arrays):  # a flat array would be a copy
                self.update(lr, k, *arrays)
                continue
            flat = [a.reshape(-1) for a in arrays]

            def update(n: slice, flat: list[Array] = flat) -> None:
                self.update(lr, k, *(a[n] for a in flat))

            each(update, split(g.size, 1, BLOCK, g))

    def adapt(self, lr: float, k: int, w: Array, g: Array, m: Array, v: Array) -> None:
        xp = array_module(g)
        if not hasattr(xp, "ElementwiseKernel"):
            super().adapt(lr, k, w, g, m, v)
            return
        left1, left2 = 1 - self.beta1**k, 1 - self.beta2**k
        _kernel(xp)(
            g, self.beta1, self.beta2, 1 - self.beta1, 1 - self.beta2, left2, lr / left1, self.eps, w, m, v
        )


@dataclass(frozen=True)
class AdamW(Adam, adamw.AdamW):
    """The twin of `adamw.AdamW`: its own step for one array, by the blocks of the twin above."""


TWINS: dict[type, type[Adam]] = {optim.Adam: Adam, adamw.AdamW: AdamW}


def twin(optimizer: Optimizer) -> Optimizer:
    """The fast twin of an optimiser; one that has none, such as yours, as it is."""
    return TWINS[type(optimizer)](**vars(optimizer)) if type(optimizer) in TWINS else optimizer


@lru_cache
def _kernel(xp: Any) -> Any:
    return xp.ElementwiseKernel(*KERNEL, options=EXACT)
