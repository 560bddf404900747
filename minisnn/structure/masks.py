"""Erdős-Rényi masks: who is connected to whom before training starts (ESL Eq. 1, chapter 01)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod

import numpy as np

from minisnn.arguments import bools, check, floating, generator, number, whole_numbers
from minisnn.backend import Array, array_module


def erdos_renyi_density(n_in: int, n_out: int, epsilon: float) -> float:
    r"""Probability of a connection between two layers (ESL Eq. 1).

    $$ p = \frac{\epsilon\,(n^k + n^{k-1})}{n^k\, n^{k-1}}, \text{ at most } 1 $$

    n_in, n_out: neurons of the two layers, n^{k-1} and n^k. epsilon: about the connections of each neuron. Raises
    ValueError unless epsilon > 0 and the layers have neurons.
    """
    if not (number("n_in", n_in) >= 1 and number("n_out", n_out) >= 1 and number("epsilon", epsilon) > 0):
        raise ValueError(f"expected two layers and epsilon > 0, found {n_in}, {n_out} and {epsilon}")
    return min(1.0, epsilon * (n_in + n_out) / (n_in * n_out))


Shapes = Mapping[str, tuple[int, ...]]
"""Of weights, [N_in, N_out] or [k, k, C_in, C_out], by name."""


def erk_densities(shapes: Shapes, density: float) -> dict[str, float]:
    r"""Erdős-Rényi-Kernel: Eq. 1 extended to convolutions (Evci et al. 2020).

    $$ p_l = e \frac{\sum \mathrm{shape}_l}{\prod \mathrm{shape}_l}, \qquad \sum_l p_l N_l = d \sum_l N_l $$

    N_l is the product of layer l's shape. shapes: of the weights, by key; density: d, of all weights together. Returns
    p_l by key. Layers whose p_l would exceed 1 are dense, and e is solved again for the others. Raises ValueError
    unless 0 < density <= 1.
    """
    return _solved(lambda shape: sum(shape) / prod(shape), shapes, density)


def er_densities(shapes: Shapes, density: float) -> dict[str, float]:
    r"""Erdős-Rényi without the kernel's size: as `erk_densities`, with $p_l = e (C_{in} + C_{out}) / (C_{in} C_{out})$.

    shapes: of the weights, by key; density: of all of them together. Returns densities by key. Raises ValueError unless
    0 < density <= 1.
    """
    return _solved(lambda shape: sum(shape[-2:]) / prod(shape[-2:]), shapes, density)


def uniform_densities(shapes: Shapes, density: float) -> dict[str, float]:
    """The same density for every layer. Returns densities by key. Raises ValueError unless 0 < density <= 1."""
    return _solved(lambda shape: 1.0, shapes, density)


def _solved(share: Callable[[tuple[int, ...]], float], shapes: Shapes, density: float) -> dict[str, float]:
    """min(1, e share) for every layer, with e such that the whole network has the density asked for."""
    check("density", density, 0 < number("density", density) <= 1, "above 0 and at most 1")
    _check_shapes(shapes)
    raw = {name: share(shape) for name, shape in shapes.items()}
    size = {name: prod(shape) for name, shape in shapes.items()}
    dense: set[str] = set()
    while len(dense) < len(shapes):
        sparse = [name for name in shapes if name not in dense]
        wanted = density * sum(size.values()) - sum(size[name] for name in dense)
        e = wanted / sum(raw[name] * size[name] for name in sparse)
        highest = max(raw[name] for name in sparse)
        if e * highest <= 1:
            found = {name: 1.0 if name in dense else e * raw[name] for name in shapes}
            # rounding must not make a full layer sparse
            return {name: 1.0 if d > 1 - 1e-12 else d for name, d in found.items()}
        dense |= {name for name in sparse if raw[name] == highest}
    return dict.fromkeys(shapes, 1.0)


def _check_shapes(shapes: object) -> None:
    """Raise ValueError unless they are shapes by key."""
    if not isinstance(shapes, Mapping):
        raise ValueError(
            f'shapes must be a dictionary of shapes by key, such as {{"fc1.weight": (784, 800)}}, found {shapes!r}'
        )
    for name, shape in shapes.items():
        is_one = isinstance(shape, Sequence) and len(shape) > 1 and all(n == int(n) > 0 for n in shape)
        check(f"the shape of {name}", repr(shape), is_one, "two or more whole numbers above 0")


def bernoulli_mask(shape: tuple[int, ...], density: float, rng: np.random.Generator) -> np.ndarray:
    """Each connection present with probability `density`, independently of the others (ESL Eq. 1).

    Returns bool of `shape`, on the host. Raises ValueError for a density outside 0 to 1, a shape that is no tuple, or a
    seed for rng.
    """
    check("density", density, 0 <= number("density", density) <= 1, "0 to 1")
    return generator("rng", rng).random(whole_numbers("shape", shape)) < density


def exact_mask(
    shape: tuple[int, ...], density: float, rng: np.random.Generator, whole: Callable[[float], int] = round
) -> np.ndarray:
    """round(density * size) connections, all choices equally likely.

    whole: makes a whole number of density * size. Returns bool of `shape`, on the host. Raises ValueError for a density
    outside 0 to 1, or a seed for rng.
    """
    check("density", density, 0 <= number("density", density) <= 1, "0 to 1")
    rng = generator("rng", rng)
    size = prod(whole_numbers("shape", shape))
    mask = np.zeros(size, bool)
    mask[rng.choice(size, whole(density * size), replace=False)] = True
    return mask.reshape(shape)


def highest_masks(scores: Mapping[str, Array], count: int) -> dict[str, Array]:
    """The `count` highest scores of all layers together; ties go to the first layer and the lowest index.

    scores: arrays of one dtype, by key, all finite. Returns bool of their shapes, by key, with `count` True in all.
    Raises ValueError for more than there are, or a score that is not finite.
    """
    if not scores:
        return {}
    xp = array_module(next(iter(scores.values())))
    together = xp.concatenate([score.ravel() for score in scores.values()])
    check("count", count, 0 <= count <= together.size, f"0 to {together.size}, the number of scores")
    if not xp.isfinite(together).all():
        raise ValueError("scores are not finite: training has diverged, there is nothing to rank")
    kept = xp.zeros(together.size, bool)
    xp.put(kept, xp.argsort(-together, kind="stable")[:count], True)
    masks, begin = {}, 0
    for key, score in scores.items():
        masks[key] = kept[begin : begin + score.size].reshape(score.shape)
        begin += score.size
    return masks


def check_masks(params: Mapping[str, Array], masks: Mapping[str, Array]) -> None:
    """Raise ValueError, naming the weight, unless every mask fits its weight and the weight is 0 where the mask is.

    params: arrays by key. masks: bool, of the shapes of the weights, by some of these keys.
    """
    for key, mask in masks.items():
        if key not in params:
            raise ValueError(f"mask of {key}: there is no such weight, found {', '.join(params)}")
        (weight,) = floating(**{key: params[key]})
        (mask,) = bools(**{f"mask of {key}": mask}, like=weight)
        if mask.shape != weight.shape:
            raise ValueError(f"mask of {key}: expected bool {weight.shape}, found {mask.dtype} {mask.shape}")
        off = int(((weight != 0) & ~mask).sum())
        if off:
            raise ValueError(f"{key}: {off} weights are not 0 where the mask is")


DISTRIBUTIONS = {"erk": erk_densities, "er": er_densities, "uniform": uniform_densities}
SAMPLERS = {"bernoulli": bernoulli_mask, "exact": exact_mask}
