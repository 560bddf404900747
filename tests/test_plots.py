"""Pictures show what they are given: one epoch, one layer, many layers, long names."""

import sys
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from slow import slow_but
from strategies import characters, rngs

from minisnn import plots
from minisnn.plots.style import short

EPOCHS, LAYERS = (1, 2, 100), (1, 4, 20, 60)
LONG = "a layer with a name that is much longer than any picture is wide, number "


def picture(size=(5, 3.5)):
    figure = Figure(figsize=size, layout="constrained", dpi=80)
    return figure, figure.subplots()


def pixels(figure):
    """What one sees: [H, W, 3] in 0 to 1. Warnings are errors, one of them is a layout that does not fit."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3] / 255


def seen(figure, ax):
    """Is there anything but the axes, their names and the legend?"""
    if ax.get_legend():
        ax.get_legend().remove()
    ax.set_axis_off()
    figure.set_layout_engine("none")  # where it lies is no question here
    return (pixels(figure) < 0.99).any()


def rows(epochs, names):
    return [
        {"epoch": e, "val_accuracy": 50 + e, "train_accuracy": 53 + e}
        | {f"firing_{name}": 0.1 + 0.02 * k for k, name in enumerate(names)}
        for e in range(1, epochs + 1)
    ]


def names_of(layers, long):
    return [(LONG if long else "lif") + str(k + 1) for k in range(layers)]


CURVES = {
    "firing_rates": lambda ax, epochs, names: plots.firing_rates(ax, rows(epochs, names)),
    "learning_curves": lambda ax, epochs, names: plots.learning_curves(
        ax, {name: rows(epochs, []) for name in names}
    ),
    "layer_densities": lambda ax, epochs, names: plots.layer_densities(
        ax, {name: [0.1 + 0.02 * k] for k, name in enumerate(names)}, epochs
    ),
    "channels_over_epochs": lambda ax, epochs, names: plots.channels_over_epochs(
        ax, {name: [8 + k] * epochs for k, name in enumerate(names)}
    ),
}


PAIRS = [(e, n, (i + j) % 2 == 1) for i, e in enumerate(EPOCHS) for j, n in enumerate(LAYERS)]
"""(epochs, layers, long names?): any two of them in every combination."""


QUICK = [(1, 1, False), (2, 20, True), (100, 4, True), (100, 60, True)]


@pytest.mark.parametrize(("epochs", "layers", "long"), slow_but(QUICK, PAIRS))
@pytest.mark.parametrize("draw", CURVES.values(), ids=CURVES)
def test_curves_are_seen_and_named(draw, epochs, layers, long):
    figure, ax = picture()
    assert draw(ax, epochs, names_of(layers, long)) is ax
    figure.draw_without_rendering()
    box, whole = ax.get_legend().get_window_extent(), figure.bbox
    assert whole.x0 <= box.x0 < box.x1 <= whole.x1
    assert whole.y0 <= box.y0 < box.y1 <= whole.y1
    assert ax.get_window_extent().width > 0.2 * whole.width
    low, high = ax.get_xlim()
    ticks = [t for t in ax.get_xticks() if low <= t <= high]
    assert ticks
    assert all(t == int(t) for t in ticks)
    assert ticks == [1] or epochs > 1
    assert seen(figure, ax)


def test_a_legend_names_lines_from_first_to_last():
    for layers in LAYERS:
        _, ax = picture()
        plots.firing_rates(ax, rows(2, names_of(layers, long=False)))
        found = [int(text.get_text()[3:]) for text in ax.get_legend().get_texts()]
        assert found[0] == 1
        assert found[-1] == layers
        assert found == sorted(set(found))
        assert len(found) == min(layers, 22)


@given(name=st.text(characters, max_size=60), most=st.integers(3, 40))
def test_long_names_keep_beginning_and_end(name, most):
    found = short(name, most)
    assert len(found) <= most or found == name
    assert found == name or (name.startswith(found.split("…")[0]) and len(name) > most)


def test_rates_say_what_they_count():
    _, ax = picture()
    assert plots.firing_rates(ax, rows(1, ["a"])).get_ylabel() == "spikes per neuron and step"
    unit = "spikes per neuron and image"
    assert plots.firing_rates(ax, rows(1, ["a"]), unit).get_ylabel() == unit


def test_every_run_has_its_curve():
    """More runs than the palette has colours, too."""
    _, ax = picture()
    plots.learning_curves(ax, {f"run {k}": rows(3, []) for k in range(9)})
    solid = [line for line in ax.lines if line.get_linestyle() == "-" and len(line.get_xdata())]
    assert len({line.get_color() for line in solid}) == len(solid) == 9


RESULTS = {
    "dots": lambda ax, names: plots.dots(ax, {name: [50.0 + k, 60] for k, name in enumerate(names)}, {names[0]: 55.0}),
    "accuracy_over": lambda ax, names: plots.accuracy_over(
        ax, {name: {0.1: (50.0 + k, 1.0), 0.5: (60.0, 2.0)} for k, name in enumerate(names)}, "density", "accuracy"
    ),
    "accuracy_against": lambda ax, names: plots.legend(
        plots.accuracy_against(
            ax, {name: (1e6 * (1 + k), 50.0 + k, 1.0) for k, name in enumerate(names)}, "cost", "accuracy"
        ), few=0,
    ),
    "validation_curves": lambda ax, names: plots.legend(
        plots.validation_curves(ax, {name: [rows(1, []), rows(1, [])] for name in names})
    ),
    "channels_by_layer": lambda ax, names: plots.channels_by_layer(ax, {k / 100: [8 + k] for k in range(len(names))}),
    "accuracy_and_costs": lambda ax, names: plots.accuracy_and_costs(
        ax, [k / 100 for k in range(len(names))], [50.0] * len(names), [1.0] * len(names),
        {"parameters": [1.0] * len(names), "SynOps": [2.0] * len(names), "joules": [3.0] * len(names)},
    ),
    "score_distributions": lambda ax, names: plots.score_distributions(
        ax, {k / 100: [0.5, 0.6] for k in range(len(names))}
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("n", "long"), slow_but([(1, True), (20, True)], [(1, True), (3, False), (20, False), (20, True)])
)
@pytest.mark.parametrize("draw", RESULTS.values(), ids=RESULTS)
def test_results_are_seen_and_named(draw, n, long):
    """One setting and twenty, with names of any length: all within the picture, and no name is lost."""
    figure, ax = picture((7, 4.2))
    assert draw(ax, names_of(n, long)) is ax
    figure.draw_without_rendering()
    (left, bottom), (right, top) = figure.get_tightbbox().get_points()
    assert left >= -0.02
    assert bottom >= -0.02
    assert right <= 7.02
    assert top <= 4.22
    assert ax.get_window_extent().width > 0.2 * figure.bbox.width
    assert seen(figure, ax)


def test_every_cost_has_its_line():
    """More costs than colours, too."""
    figure, ax = picture((7, 4.2))
    costs = {name: [1.0, 2.0] for name in "abcde"}
    plots.accuracy_and_costs(ax, [0.1, 0.2], [50.0, 60.0], [1.0, 1.0], costs)
    assert [line.get_label() for line in figure.axes[1].lines] == list("abcde")


def test_dots_with_intervals_of_ones_own():
    _, ax = picture()
    plots.dots(
        ax, {"a": [1.0, 3.0], "b": [2.0]}, errors={"a": 5.0, "b": float("nan")}, means="mean, 95 % interval"
    )
    (segment,) = ax.containers[0][2][0].get_segments()
    np.testing.assert_allclose(segment[:, 0], (0, 7))  # nothing below 0
    assert "mean, 95 % interval" in ax.get_legend_handles_labels()[1]


# --------------------------------------------------------------------------------------------- spikes and potentials


@settings(max_examples=10)
@given(rng=rngs, shape=st.sampled_from([(1, 1), (4, 10), (8, 150), (3, 4, 5, 2), (30, 1), (2, 3000)]))
def test_a_raster_has_a_mark_for_each_spike(rng, shape):
    spikes = rng.random(shape) < 0.3
    figure, ax = picture()
    assert plots.raster(ax, spikes) is ax
    expected = {
        (t + 1, n) for t in range(shape[0]) for n, on in enumerate(spikes[t].reshape(-1).tolist()) if on
    }
    marks = ax.lines[-1]
    assert marks.get_linestyle() == "None"
    assert {(round(t), int(n)) for t, n in marks.get_xydata()} == expected
    off = marks.get_xdata() - np.rint(marks.get_xdata())
    assert (abs(off) <= (0 if np.prod(shape[1:]) <= 20 else 0.351)).all()
    assert len(marks.get_xdata()) == len(expected)
    assert ax.get_xlim() == (0.5, shape[0] + 0.5)
    assert ax.get_ylim() == (-0.5, np.prod(shape[1:]) - 0.5)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time step", "neuron")
    assert seen(figure, ax) == bool(expected)


@pytest.mark.parametrize("neurons", [10, 20, 21, 60, 800])
def test_a_raster_has_no_solid_line(neurons):
    """Where all neurons fire in every step, every column of pixels has white between the marks."""
    figure, ax = picture((2.5, 2))
    plots.raster(ax, np.ones((4, neurons)))
    ax.set_axis_off()
    for line in ax.lines[:-1]:  # between the steps
        line.remove()
    blue = pixels(figure).min(-1) < 0.9
    assert blue.any()
    run, longest = np.zeros(blue.shape[1]), 0.0
    for row in blue:
        run = np.where(row, run + 1, 0)
        longest = max(longest, run.max())
    assert longest < 0.15 * len(blue)


@pytest.mark.parametrize("means", [[1.0, 50.0, 99.0]])
def test_whiskers_end_where_accuracies_do(means):
    points = {float(n): (mean, 20.0) for n, mean in enumerate(means)}
    ax = plots.accuracy_over(picture()[1], {"a": points}, "lr", "accuracy / %")
    assert [s[:, 1].tolist() for s in ax.containers[0][2][0].get_segments()] == [[0, 21], [30, 70], [79, 100]]
    ax = plots.accuracy_against(picture()[1], {"a": (1e3, 99.0, 20.0)}, "cost", "accuracy / %")
    assert ax.containers[0][2][0].get_segments()[0][:, 1].tolist() == [79, 100]
    ax = plots.dots(picture()[1], {"a": [0.0, 2.0]}, errors={"a": 12.7})
    assert ax.containers[0][2][0].get_segments()[0][:, 0].tolist() == [0, 13.7]


def test_spikes_of_one_step_do_not_shrink_the_axis():
    _, ax = picture()
    plots.raster(ax, np.arange(8)[:, None] == 5)
    assert ax.get_xlim() == (0.5, 8.5)


@settings(max_examples=10)
@given(
    rng=rngs,
    shape=st.sampled_from([(1, 1), (4, 10), (8, 150), (3, 4, 5, 2), (70, 2)]),
    v_th=st.sampled_from([0.5, 1.0, 7.0, -1.0]),
    scale=st.sampled_from([0.0, 1.0, 1e4]),
)
def test_membranes_lie_in_rows(rng, shape, v_th, scale):
    """To one scale; a row's neighbours never cross it; dots where a potential is above the threshold."""
    potentials = scale * rng.normal(size=shape)
    figure, ax = picture()
    assert plots.membrane(ax, potentials, v_th) is ax
    pixels(figure)
    T, u = shape[0], potentials.reshape(shape[0], -1)
    N = u.shape[1]
    shown = [int(text.get_text()) for text in ax.get_yticklabels()]
    assert len(shown) == min(6, N) == len(set(shown))
    assert (shown[0], shown[-1]) == (0, N - 1)
    drawn = [line for line in ax.lines if len(line.get_xdata())]
    thresholds = [line for line in drawn if line.get_linestyle() == "--"]
    traces = [line for line in drawn if line.get_color() == plots.BLUE]
    dots = [line for line in ax.lines if line.get_color() == plots.RED][: len(shown)]
    base = [line.get_ydata()[0] - v_th for line in thresholds]
    for row, (n, line, fires) in enumerate(zip(shown, traces, dots, strict=True)):
        np.testing.assert_array_equal(line.get_xdata(), range(1, T + 1))
        np.testing.assert_allclose(line.get_ydata() - base[row], u[:, n], atol=1e-9 * max(1, scale))
        assert fires.get_xdata().tolist() == [t + 1 for t in range(T) if u[t, n] > v_th]
    for lower, upper in pairwise(traces):
        assert lower.get_ydata().max() < upper.get_ydata().min() + 1e-9
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [f"threshold {v_th:g}", "fires"]


def test_first_spikes_are_at_their_times():
    z = np.array([np.e, np.inf, 1.0, np.e**2])
    _, ax = picture()
    assert plots.first_spikes(ax, z) is ax
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [(1, 0), (0, 2), (2, 3)], atol=1e-12)
    assert ax.get_ylim() == (-0.5, 3.5)
    plots.first_spikes(picture()[1], np.full(3, np.inf))  # silent


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda ax: plots.raster(ax, np.zeros((0, 3))), r"spikes must be \[T, \.\.\.\].*found .*\(0, 3\)"),
        (lambda ax: plots.raster(ax, np.array(1.0)), r"spikes must be \[T, \.\.\.\].*found .*\(\)"),
        (lambda ax: plots.membrane(ax, np.zeros((3, 0)), 1), r"potentials must be \[T, .*\(3, 0\)"),
        (lambda ax: plots.first_spikes(ax, np.zeros(0)), r"z must be .*at least one neuron"),
        (lambda ax: plots.first_spikes(ax, np.array([1.0, 0.0])), r"z must be above 0 everywhere"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, message):
    _, ax = picture()
    with pytest.raises(ValueError, match=message):
        draw(ax)


def test_arrays_of_a_device_are_drawn(xp):
    spikes = xp.asarray(np.eye(4, dtype=bool))
    _, ax = picture()
    assert len(plots.raster(ax, spikes).lines[0].get_xdata()) == 4
    _, ax = picture()
    plots.membrane(ax, xp.asarray(np.eye(4)), 0.5)


def test_a_picture_to_touch_is_drawn_once_where_no_notebook_is_live():
    drawn = []
    plots.touch(lambda decay, n: drawn.append((decay, n)), decay=(0.0, 1.0, 0.5), n=(1, 9, 3))
    assert drawn == [(0.5, 3)]
    with pytest.raises(ValueError, match=r"decay: expected lowest <= start <= highest, found \(0, 1, 2\)"):
        plots.touch(drawn.append, decay=(0, 1, 2))


def test_a_picture_to_touch_has_sliders_in_a_live_notebook(monkeypatch):
    widgets = pytest.importorskip("ipywidgets")
    shell = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=1))
    monkeypatch.setitem(sys.modules, "IPython", shell)
    shown = {}
    monkeypatch.setattr(widgets, "interact", lambda draw, **sliders: shown.update(sliders))
    monkeypatch.delenv("MINISNN_STATIC", raising=False)
    plots.touch(lambda decay, n: None, decay=(0.0, 1.0, 0.5), n=(1, 9, 3))
    assert (shown["decay"].min, shown["decay"].max, shown["decay"].value) == (0.0, 1.0, 0.5)
    assert isinstance(shown["n"], widgets.IntSlider)
    monkeypatch.setenv("MINISNN_STATIC", "1")
    drawn = []
    plots.touch(lambda decay: drawn.append(decay), decay=(0.0, 1.0, 0.5))
    assert drawn == [0.5]


def test_an_animation_is_described_and_is_the_same_each_time():
    masks = [np.eye(4, 6) > n for n in range(3)]
    films = [plots.film(picture()[1], masks, ['1 "a"', "2"], (2, 2), (2, 3)).html for _ in range(2)]
    assert films[0] == films[1]
    assert '<img alt="An animation, from 1 &quot;a&quot; to 2." id="_anim_img' in films[0]
    assert "http" not in films[0]
