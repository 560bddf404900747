"""The picture at the end of `make demo`: everything on it can be read, and says what the results say."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from minisnn import cli
from minisnn.commands.demo_story import story
from minisnn.recipes import ESL_MLP_DEFAULTS

RESULTS = {
    "dense SNN": {"test_accuracy": 97.18, "connections": 14_800, "joules_gpu": 2.64e-07},
    "ESL-SNN": {"test_accuracy": 96.9, "connections": 4_072, "joules_gpu": 7.27e-08},
}


def _drawn(figure):
    """The texts of a figure that are visible, with the boxes they take."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    return [(t.get_text(), t.get_window_extent(canvas.get_renderer())) for t in texts]


@pytest.mark.parametrize("connections", [(14_800, 4_072), (1_234_567, 1), (5, 1_234_567)])
def test_no_text_of_the_story_hides_another_or_is_cut_off(connections):
    rng = np.random.default_rng(0)
    before, after = rng.random((2, 64, 200)) < 0.2
    results = {
        name: row | {"connections": n} for (name, row), n in zip(RESULTS.items(), connections, strict=True)
    }
    figure = story(ESL_MLP_DEFAULTS["digits"].load(), before, after, results, "minisnn demo --seed 123456")
    drawn = _drawn(figure)
    for text, box in drawn:
        assert figure.bbox.containsx(box.x0), text
        assert figure.bbox.containsx(box.x1), text
        assert figure.bbox.containsy(box.y0), text
        assert figure.bbox.containsy(box.y1), text
    for (a, box), (b, other) in combinations(drawn, 2):
        assert not box.overlaps(other), f"{a!r} and {b!r}"


def test_the_story_says_what_the_results_say():
    rng = np.random.default_rng(0)
    before, after = rng.random((2, 64, 200)) < 0.2
    figure = story(ESL_MLP_DEFAULTS["digits"].load(), before, after, RESULTS, "minisnn demo --seed 7")
    words = " ".join(text for text, _ in _drawn(figure))
    for part in (
        "97.2 %",
        "96.9 %",
        "14,800",
        "4,072",
        "264 nJ",
        "73 nJ",
        "minisnn demo --seed 7",
        "355 test",
    ):
        assert part in words
    maps = [ax.images[0].get_array() for part in figure.subfigs for ax in part.axes if ax.images]
    np.testing.assert_array_equal(maps[1], before.sum(1).reshape(8, 8))
    np.testing.assert_array_equal(maps[2], after.sum(1).reshape(8, 8))


@pytest.mark.parametrize(
    ("start", "command"), [(None, "minisnn train esl-mlp --help"), ("start.ipynb", "make lab")]
)
def test_the_last_line_says_what_to_type_next(tmp_path, monkeypatch, capsys, start, command):
    quick = replace(ESL_MLP_DEFAULTS["digits"], epochs=1, hidden=(20,))
    monkeypatch.setitem(ESL_MLP_DEFAULTS, "digits", quick)
    monkeypatch.chdir(tmp_path)
    if start:
        Path("chapters").mkdir()
        (Path("chapters") / start).touch()
    assert cli.main(["demo", "--out", "out", "--seed", "3"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"type next    {command}: ")
    assert Path("out/story.png").read_bytes()[:4] == b"\x89PNG"
    assert b"minisnn demo --seed 3" in Path("out/story.png").read_bytes()
