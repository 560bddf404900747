"""ESL's multi-spike network on MNIST: 97.69 % at a density of 0.3, according to the text."""

from __future__ import annotations

from dataclasses import replace

from minisnn.recipes import LIFNet
from minisnn.targets.target import Target, draw_runs


def recipes(scale: str) -> dict[str, LIFNet]:
    """Dense; sparse; a static mask; dense with as many weights as the sparse one."""
    dense = LIFNet(net="mlp", T=4, epochs=20, batch_size=100, t_iter=100)
    if scale == "smoke":
        dense = replace(dense, data="digits", net="200FC-10FC", batch_size=25, lr=0.003, t_iter=20)
    if scale == "paper":
        dense = replace(dense, T=8, epochs=100)
    sparse = replace(dense, density=0.3)
    return {
        "dense": dense,
        "density 0.3": sparse,
        "density 0.3, static mask": replace(sparse, alpha=0.0),
        "dense of the same size": replace(sparse, same_size=True),
    }


TARGET: Target = Target(
    "ESL, multi-spike MLP 784-800-10",
    recipes,
    draw_runs,
    {"density 0.3": "97.69"},
    "The paper does not describe its multi-spike network on MNIST; 784-800-10 is its first-spike network.",
)
