"""SCA Fig. 3: channels in each layer over pruning ratios, and over epochs."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from minisnn import plots
from minisnn.grids.rows import Summary
from minisnn.targets import sca_fig2
from minisnn.targets.target import Target

P = 0.5  # in (b)


def draw(figure: Figure, found: Mapping[str, Summary], paper: Mapping[str, float]) -> None:
    """(a) remaining channels of each layer, a line for each ratio; (b) over the epochs at p = 0.5; first seed."""
    figure.set_size_inches(11, 4.2)
    a, b = figure.subplots(1, 2)
    (((what, _), by_ratio),) = sca_fig2.grouped(found).items()
    left = {p: channels(s) for p, s in by_ratio.items() if p}
    plots.channels_by_layer(a, {p: [c[-1] for c in layers.values()] for p, layers in left.items()})
    a.set_title(f"(a) {what}, after training")
    if P in left:
        plots.channels_over_epochs(b, left[P]).set_title(f"(b) {what}, p = {P}")


def channels(s: Summary) -> dict[str, list[int]]:
    """Channels of each layer over epochs, for the first seed."""
    return {key: list(map(int, c)) for key, c in s.rows[0]["channels"].items()}


def moved(s: Summary) -> dict[str, str]:
    """Additional columns of the table: remaining channels, and how many were regrown."""
    layers, regrown = channels(s), s.rows[0]["regrown"]
    return {
        "channels per layer": " ".join(str(c[-1]) for c in layers.values()),
        "regrown each epoch": " ".join(str(int(n)) for n in regrown[1:]),
    }


TARGET: Target = Target(
    "SCA Fig. 3: channels per layer",
    sca_fig2.of_first_network,
    draw,
    {},
    "The paper's text does not give the numbers of its figure. It says that deep layers lose more channels than "
    "shallow ones, that some layers fluctuate strongly during training and others little, and that the structure "
    "settles as training converges. Channels are those of the first seed, after each epoch but the first.",
    moved,
    grid="sca",
)
