"""ESL Table 1: the first-spike network, dense and sparse, and dense with as many connections as the sparse one."""

from __future__ import annotations

from dataclasses import replace

from minisnn.grids.rows import Summary
from minisnn.networks.cost import E_GPU, E_TRUENORTH
from minisnn.recipes import ESL_MLP_DEFAULTS, ESLMLP
from minisnn.targets.target import Target, draw_runs


def base(scale: str) -> ESLMLP:
    """The sparse network at a scale. Epochs, and everything else that the paper leaves open, are our choice."""
    if scale == "smoke":
        return replace(ESL_MLP_DEFAULTS["digits"], epochs=12)
    if scale == "small":
        return ESL_MLP_DEFAULTS["mnist"]
    return replace(ESL_MLP_DEFAULTS["mnist"], epochs=100, lr=0.01, lr_end=0.0001)


def recipes(scale: str) -> dict[str, ESLMLP]:
    """Dense; sparse at epsilon 60 (8 on the digits); a static mask; dense with as many connections."""
    sparse = base(scale)
    dense = replace(sparse, epsilon=None, density=1.0)
    hidden = 56 if scale == "smoke" else 130
    return {
        "SNN": dense,
        "ESL-SNN": sparse,
        "static mask": replace(sparse, alpha=0.0),
        "SNN of the same size": replace(dense, hidden=(hidden,)),
    }


def joules(s: Summary) -> dict[str, str]:
    """As the paper counts them: connections times a constant."""
    paper = {"SNN": ("1.13e-05", "7.95e-06"), "ESL-SNN": ("1.84e-06", "1.29e-06")}.get(s.name, ("", ""))
    ours = s.connections * E_GPU, s.connections * E_TRUENORTH
    found = [f"{j:.2e} ({p})" if p else f"{j:.2e}" for j, p in zip(ours, paper, strict=True)]
    return dict(zip(("J on GPU (paper)", "J on TrueNorth (paper)"), found, strict=True))


TARGET: Target = Target(
    "ESL Table 1: first-spike network",
    recipes,
    draw_runs,
    {"SNN": "96.7", "ESL-SNN": "96.58", "SNN of the same size": "about 92"},
    "Joules are connections times a constant, as in the paper; SynOps are counted from the spikes of real images. "
    "The paper does not state its number of seeds, epochs, initial weights, alpha and T_iter.",
    joules,
)
