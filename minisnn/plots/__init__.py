"""Pictures: each function takes a Matplotlib Axes, draws on it and returns it. `film` makes a film."""

from __future__ import annotations

from minisnn.plots.activity import events, first_spikes, frame, membrane, raster
from minisnn.plots.connections import (
    Film,
    channel_masks,
    connections_per_pixel,
    film,
    receptive_fields,
    tiles,
    turnover,
)
from minisnn.plots.curves import (
    channels_by_layer,
    channels_over_epochs,
    firing_rates,
    layer_densities,
    learning_curves,
    validation_curves,
)
from minisnn.plots.results import (
    accuracy_against,
    accuracy_and_costs,
    accuracy_over,
    bars_and_line,
    dots,
    score_distributions,
)
from minisnn.plots.style import BLUE, GREEN, GREY, ORANGE, RED, colour, legend, legend_above, line_colours
from minisnn.plots.touch import touch

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "RED",
    "Film",
    "accuracy_against",
    "accuracy_and_costs",
    "accuracy_over",
    "bars_and_line",
    "channel_masks",
    "channels_by_layer",
    "channels_over_epochs",
    "colour",
    "connections_per_pixel",
    "dots",
    "events",
    "film",
    "firing_rates",
    "first_spikes",
    "frame",
    "layer_densities",
    "learning_curves",
    "legend",
    "legend_above",
    "line_colours",
    "membrane",
    "raster",
    "receptive_fields",
    "score_distributions",
    "tiles",
    "touch",
    "turnover",
    "validation_curves",
]  # fmt: skip
