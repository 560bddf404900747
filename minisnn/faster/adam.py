"""Adam, a block of weights at a time: all of its operations on one block before the next.

Every operation reads and writes main memory unless what it works on stays in cache; threads share the blocks
(docs/design.md, "Speed"). tests/test_optim.py holds the twins equal, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

from minisnn.faster.blocks import each, split
from minisnn.training import optim
from minisnn.training.optim import Arrays, Moments, Optimizer

BLOCK = 1 << 15  # weights at a time


@dataclass(frozen=True)
class Adam(optim.Adam):
    """The twin of `optim.Adam`."""

    def step(self, params: Arrays, grads: Arrays, moments: Moments, lr: float, k: int) -> None:
        for key, g in grads.items():
            arrays = (params[key], g, *moments[key])
            if all(a.flags.c_contiguous for a in arrays):  # otherwise a flat array would be a copy
                flat = [a.reshape(-1) for a in arrays]
                each(
                    lambda n, flat=flat: self.update(*(a[n] for a in flat), lr, k), split(g.size, 1, BLOCK, g)
                )  # type: ignore[misc]
            else:
                self.update(*arrays, lr, k)


def twin(optimizer: Optimizer) -> Optimizer:
    """The fast twin of an optimiser; one that has none, such as yours, as it is."""
    return Adam(**vars(optimizer)) if type(optimizer) is optim.Adam else optimizer
