"""The papers' networks."""

from __future__ import annotations

from minisnn.stages import FirstSpike, Sequential


def first_spike_mlp(
    hidden: tuple[int, ...] = (800,), n_classes: int = 10, densities: tuple[float, ...] = (1.0,)
) -> Sequential:
    """ESL's multi-layer network of neurons that fire once, 784-800-10 in the paper.

    densities: what masks will leave of each hidden layer's incoming synapses. The output layer stays dense.
    """
    if len(densities) != len(hidden):
        raise ValueError(f"expected {len(hidden)} densities, one for each hidden layer, found {densities}")
    names = ["hidden"] if len(hidden) == 1 else [f"hidden{n}" for n in range(1, len(hidden) + 1)]
    stages = [
        (name, FirstSpike(n_out, weight_sum=8.0, density=density))
        for name, n_out, density in zip(names, hidden, densities, strict=True)
    ]
    return Sequential((*stages, ("output", FirstSpike(n_classes, weight_sum=4.0))))
