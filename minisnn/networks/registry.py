"""Networks by name: the papers', and yours.

A network is one function, registered where it is written:

    @network("mine", paper="esl")
    def mine(shape, n_classes, T, neuron, width=1.0): ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from minisnn.arguments import one_of
from minisnn.networks.compose import Sequential
from minisnn.networks.notation import STYLES

Builder = Callable[..., Sequential]
AnyBuilder = TypeVar("AnyBuilder", bound=Builder)


class Architecture(NamedTuple):
    """A network that has a name."""

    builder: Builder  # (shape, n_classes, T, neuron, width=1.0) -> plain network
    paper: str  # whose neuron, loss and optimiser it has: "esl" or "sca"


NETWORKS: dict[str, Architecture] = {}
"""By name. `network` adds to it."""


def network(name: str, paper: str = "esl") -> Callable[[AnyBuilder], AnyBuilder]:
    """Register a function that builds a network, under a name that `train`, recipes and the command line take.

    The function: (shape, n_classes, T, neuron, width=1.0) -> `Sequential`; see `build` for the arguments, T is None for
    sequences. paper: whose neuron, loss and optimiser are its defaults, "esl" or "sca". Raises ValueError for another
    paper, or a name that is taken.
    """
    one_of("paper", paper, STYLES)
    if name in NETWORKS:
        raise ValueError(f"name must be a new one, found {name!r}, which is a network already")

    def register(builder: AnyBuilder) -> AnyBuilder:
        NETWORKS[name] = Architecture(builder, paper)
        return builder

    return register
