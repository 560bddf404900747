"""A picture that a reader can touch: with sliders in a live notebook, without them elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

Slider = tuple[float, float, float]


def touch(draw: Callable[..., Any], **sliders: Slider) -> None:
    """Draw a picture whose values a reader can move: `touch(draw, decay=(0, 1, 0.5))`.

    Each slider is (lowest, highest, start); whole numbers make a slider of whole numbers. `draw` takes the values
    by name and ends with `plt.show()`. Where no notebook is live, ipywidgets is missing, or the environment
    variable MINISNN_STATIC is set, the picture is drawn once, with the values at the start.
    Raises ValueError for a slider whose start does not lie between its ends.
    """
    for name, (low, high, start) in sliders.items():
        if not low <= start <= high:
            raise ValueError(f"{name}: expected lowest <= start <= highest, found ({low}, {high}, {start})")
    if not _live():
        draw(**{name: start for name, (_, _, start) in sliders.items()})
        return
    import ipywidgets

    def slider(name: str, low: float, high: float, start: float) -> Any:
        whole = isinstance(low, int) and isinstance(high, int) and isinstance(start, int)
        kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
        step = 1 if whole else (high - low) / 50
        return kind(value=start, min=low, max=high, step=step, description=name, continuous_update=False)

    ipywidgets.interact(draw, **{name: slider(name, *ends) for name, ends in sliders.items()})


def _live() -> bool:
    """Whether somebody sits before this notebook, and has the sliders."""
    if os.environ.get("MINISNN_STATIC") or "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return hasattr(shell, "kernel") and find_spec("ipywidgets") is not None
