"""Masks of pixels and channels, and how they change."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from zlib import crc32

import numpy as np
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from minisnn.plots.style import BLUE, GREY, RED


def connections_per_pixel(
    ax: Axes, mask: np.ndarray, image: tuple[int, int], largest: int | None = None
) -> Axes:
    """The number of connections of each input pixel. mask: [H*W, M] bool."""
    counts = mask.sum(1).reshape(image)
    shown = ax.imshow(counts, cmap="viridis", vmin=0, vmax=largest or int(counts.max()))
    ax.set(xticks=[], yticks=[])
    colorbar = ax.figure.colorbar(shown, ax=ax, shrink=0.8)
    colorbar.set_label("connections")
    return ax


def receptive_fields(
    ax: Axes, mask: np.ndarray, image: tuple[int, int], shape: tuple[int, int] = (4, 6)
) -> Axes:
    """The pixels that are connected to the first neurons, a tile for each neuron. mask: [H*W, M] bool."""
    ax.imshow(tiles(mask * 2, image, shape, frame=1), cmap="gray", vmin=0, vmax=2, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    return ax


def turnover(
    ax: Axes, before: np.ndarray, after: np.ndarray, image: tuple[int, int], shape: tuple[int, int] = (4, 6)
) -> Axes:
    """Connections of the first neurons that were pruned, grown and kept. Masks: [H*W, M] bool."""
    colours = ListedColormap(["white", RED, BLUE, GREY, "black"])  # neither, before, after, both, frame
    sheet = tiles(before + 2 * after.astype(int), image, shape, frame=4)
    ax.imshow(sheet, cmap=colours, vmin=0, vmax=4, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    for name, colour in (("pruned", RED), ("grown", BLUE), ("kept", GREY)):
        ax.plot([], [], "s", color=colour, label=name)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=3, frameon=False)
    return ax


@dataclass(frozen=True)
class Film:
    """An animation that a notebook plays as the last value of a cell; works without other programs and offline."""

    html: str = field(repr=False)

    def _repr_html_(self) -> str:
        return self.html


def film(
    ax: Axes,
    masks: Sequence[np.ndarray],
    titles: Sequence[str],
    image: tuple[int, int],
    shape: tuple[int, int] = (4, 6),
    fps: int = 3,
) -> Film:
    """`turnover` from each mask to the next, one frame with a title each. Equal masks give equal films."""

    def draw(n: int) -> list[Axes]:
        ax.clear()
        ax.set_title(titles[n])
        return [turnover(ax, masks[n], masks[n + 1], image, shape)]

    assert isinstance(ax.figure, Figure)
    html = FuncAnimation(ax.figure, draw, frames=len(masks) - 1).to_jshtml(fps)
    html = re.sub(r"<link[^>]*>", "", html)  # loads an icon font from the internet
    html = re.sub(r'<i class="fa fa-([\w-]+?)( fa-flip-horizontal)?"></i>', _sign, html)
    html = html.replace(
        "<img ", f'<img alt="An animation, from {escape(titles[0])} to {escape(titles[-1])}." '
    )
    name = re.search(r"_anim_img(\w+)", html)
    assert name
    html = html.replace(name[1], "NAME")  # random, different in each run
    return Film(html.replace("NAME", f"{crc32(html.encode()):08x}"))


def _sign(icon: re.Match[str]) -> str:
    backward = {"step-backward": "|◁", "fast-backward": "|◀"}
    signs = backward | {"step-forward": "▷|", "fast-forward": "▶|", "minus": "−", "plus": "+", "pause": "‖"}
    return signs.get(icon[1], "◀" if icon[2] else "▶")


def tiles(values: np.ndarray, image: tuple[int, int], shape: tuple[int, int], frame: float) -> np.ndarray:
    """The columns of values [H*W, M] as framed images, in rows."""
    (H, W), (rows, columns) = image, shape
    sheet = np.full((rows * (H + 1) + 1, columns * (W + 1) + 1), frame)
    for n in range(min(rows * columns, values.shape[1])):
        top, left = n // columns * (H + 1) + 1, n % columns * (W + 1) + 1
        sheet[top : top + H, left : left + W] = values[:, n].reshape(image)
    return sheet


def channel_masks(ax: Axes, masks: Sequence[Mapping[str, np.ndarray]]) -> Axes:
    """Channels that were pruned, regrown and kept from each mask to the next. masks: bool [C] by layer."""
    flat = np.array([np.concatenate(list(layers.values())) for layers in masks]).astype(int)
    colours = ListedColormap(["white", RED, BLUE, GREY])  # off before and after, on before, after, both
    box = (0.5, len(flat) - 0.5, flat.shape[1], 0)
    ax.imshow(
        (flat[:-1] + 2 * flat[1:]).T, cmap=colours, vmin=0, vmax=3, aspect="auto", extent=box,
        interpolation="nearest",
    )  # fmt: skip
    ends = np.cumsum([len(mask) for mask in masks[0].values()])
    ax.hlines(ends[:-1], *box[:2], color="black", linewidth=0.8)
    ax.set_yticks(
        [end - len(mask) / 2 for end, mask in zip(ends, masks[0].values(), strict=True)], list(masks[0])
    )
    ax.tick_params(axis="y", length=0)
    ax.set(xlabel="epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    for name, mark in (("pruned", RED), ("regrown", BLUE), ("kept", GREY)):
        ax.plot([], [], "s", color=mark, label=name)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, frameon=False, handletextpad=0.2)
    return ax
