"""The playground: what it computes, on the desktop, and its page without Python."""

import json
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from browsing import faults, served

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "playground"
SCRIPTS = sorted(FOLDER.glob("*.js"))
WIDTHS = (1280, 900), (360, 740), (320, 568)


@pytest.fixture
def play(monkeypatch):
    """A fresh play.py: its networks are not trained."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.delitem(sys.modules, "play", raising=False)
    import play

    monkeypatch.delitem(sys.modules, "play")

    def called(name, **arguments):
        found = json.loads(play.call(name, json.dumps(arguments)))
        assert "error" not in found, found
        return found

    play.called = called
    return play


def trained(play, name):
    """The last row of a network that is trained to its end."""
    row = play.called(name)
    while row["epoch"] < row["epochs"]:
        row = play.called(name)
    return row


def test_the_net_answers_spike_by_spike(play):
    assert trained(play, "ask_epoch")["accuracy"] > 90
    right = 0
    for number in range(60):
        shown = play.called("example", number=number)
        found = play.called("ask", image=shown["image"])
        fired = [t for t in found["output"] if t is not None]
        assert found["output"][found["answer"]] == min(fired)
        assert found["moved"] == [0, 0]
        right += found["answer"] == shown["label"]
    assert right > 50


def test_a_neuron_fires_where_its_causal_set_lifts_it_to_the_threshold(play):
    trained(play, "ask_epoch")
    found = play.called("ask", image=play.called("example", number=3)["image"])
    silent = 0
    for layer, times, sources in (
        ("hidden", found["hidden"], found["inputs"]),
        ("output", found["output"], found["hidden"]),
    ):
        for index, spike in enumerate(times):
            neuron = play.called("neuron", layer=layer, index=index)
            assert neuron["spike"] == spike
            assert all(s["t"] == sources[s["from"]] for s in neuron["synapses"])
            before = np.array(neuron["v"][:-1])
            assert before.max() < 1.001
            if spike is None:
                silent += 1
                assert all(s["causal"] for s in neuron["synapses"] if s["t"] is not None)
                continue
            assert neuron["t"][-1] == spike
            assert abs(neuron["v"][-1] - 1) < 2e-3
            causal = {s["from"] for s in neuron["synapses"] if s["causal"]}
            assert causal == {s["from"] for s in neuron["synapses"] if s["t"] is not None and s["t"] < spike}
            z = np.exp(spike)
            lifted = sum(
                s["weight"] * (1 - np.exp(s["t"]) / z) for s in neuron["synapses"] if s["from"] in causal
            )
            assert abs(lifted - 1) < 5e-3
    assert silent < 60


def test_a_drawing_is_moved_to_the_middle(play):
    drawing = np.zeros((8, 8), int)
    drawing[:4, 5:8] = 16
    found = play.called("ask", image=drawing.ravel().tolist(), centre=True)
    assert found["moved"] == [2, -2]
    there = np.zeros((8, 8), int)
    there[2:6, 3:6] = 16
    times = play.called("ask", image=there.ravel().tolist())
    assert times["inputs"] == found["inputs"]
    assert play.called("ask", image=[0] * 64, centre=True)["moved"] == [0, 0]
    drawing[:, 4] = 16
    assert play.called("ask", image=drawing.ravel().tolist(), centre=True)["moved"] == [0, -2]


@pytest.mark.parametrize(("prune", "grow"), [("set", "random"), ("magnitude", "gradient")])
def test_a_net_rewires_and_learns(play, prune, grow):
    start = play.called("rewire_start", density=0.2, prune=prune, grow=grow, alpha=0.3)
    rows = [play.called("rewire_epoch") for _ in range(8)]
    assert max(row["accuracy"] for row in rows) > 90
    for before, row in pairwise([start, *rows]):
        assert row["connections"] == start["connections"] == row["hidden"] + 1000
        assert sum(row["pixels"]) == row["hidden"]
        assert row["pruned"] == row["grown"] > 0
        assert row["pixels"] != before["pixels"]
    assert rows[-1]["explored"] > rows[0]["explored"]


def test_all_rules_of_the_page_are_known(play):
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    rules = {
        name: re.findall(r'value="([\w-]+)"', re.search(rf'id="{name}-rule">(.*?)</select>', page, re.S)[1])
        for name in ("prune", "grow")
    }
    assert len(rules["prune"]) == 2
    assert len(rules["grow"]) == 5
    for prune in rules["prune"]:
        for grow in rules["grow"]:
            play.called("rewire_start", density=0.1, prune=prune, grow=grow, alpha=0.3)
            assert play.called("rewire_epoch")["pruned"] > 0
    dense = play.called("rewire_start", density=1, prune="set", grow="random", alpha=0.3)
    assert dense["connections"] == dense["possible"]
    assert dense["cut_off"] == 0


def test_a_net_that_growth_has_silenced_is_said_to_be_silent(play):
    play.called("rewire_start", density=0.05, prune="set", grow="momentum", alpha=0.3)
    row = [play.called("rewire_epoch") for _ in range(3)][-1]
    assert row["cut_off"] > 50
    assert row["unanswered"] == 100 > row["accuracy"] == 0


def test_fewer_channels_cost_fewer_synops(play):
    assert trained(play, "channels_epoch")["accuracy"] > 90
    cuts = [play.called("prune", percent=percent) for percent in (0, 30, 60, 95)]
    kept = [sum(sum(layer["kept"]) for layer in cut["channels"]) for cut in cuts]
    assert kept == [48, 34, 19, 2]
    for name in ("synops", "macs", "connections", "nanojoules", "accuracy"):
        assert all(more > less for more, less in pairwise(cut[name] for cut in cuts)), name
    for layer in cuts[2]["channels"]:
        gone = [s for s, stays in zip(layer["score"], layer["kept"], strict=True) if not stays]
        assert max(gone) <= min(s for s, stays in zip(layer["score"], layer["kept"], strict=True) if stays)
    cut = play.called("prune", percent=60)
    assert cut == cuts[2]  # a cut starts from the whole network, not from the last one
    assert play.called("tune")["accuracy"] > cut["accuracy"] + 10


def test_errors_are_a_sentence(play):
    for name, arguments in (
        ("ask", {"image": [1, 2]}),
        ("neuron", {"layer": "hidden", "index": 0}),
        ("rewire_start", {"density": 2, "prune": "set", "grow": "random", "alpha": 0}),
        ("nothing", {}),
    ):
        found = json.loads(play.call(name, json.dumps(arguments)))
        assert set(found) == {"error"}
        assert found["error"].endswith(".")
        assert "\n" not in found["error"]
        assert "Traceback" not in found["error"]


def test_neither_scipy_nor_matplotlib_is_loaded():
    code = "import sys, play; assert not {'scipy', 'matplotlib', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=FOLDER, check=True)


def test_every_id_that_a_script_asks_for_is_on_the_page():
    ids = set(re.findall(r'\bid="([\w-]+)"', (FOLDER / "index.html").read_text(encoding="utf-8")))
    asked = {name for path in SCRIPTS for name in re.findall(r'\$\("([\w-]+)"\)', path.read_text("utf-8"))}
    assert len(asked) > 20
    assert asked <= ids


def test_every_link_to_a_chapter_leads_to_one():
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    chapters = re.findall(r'href="\.\./book/chapters/([\w]+)\.html"', page)
    assert {name[:2] for name in chapters} == {"04", "05", "14", "15", "16", "17", "18", "19", "20"}
    assert [name for name in chapters if not (ROOT / "chapters" / f"{name}.md").exists()] == []


def test_files_are_short_and_say_what_they_are():
    paths = [path for path in FOLDER.iterdir() if path.is_file() and path.suffix != ".json"]
    assert len(paths) > 6
    for path in paths:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) < 300, path
        assert re.match(r'//|/\*|"""|<!--', lines[lines[0].startswith("<!doctype")]), path


@pytest.mark.parametrize("size", WIDTHS)
def test_a_page_without_python_says_so(chromium, tmp_path, size):
    """config.json names a Pyodide that is not there: a sentence, a button, and nothing that does not fit."""
    shutil.copytree(FOLDER, tmp_path / "playground", ignore=shutil.ignore_patterns("__pycache__"))
    config = {"pyodide": "../pyodide/", "wheels": []}
    (tmp_path / "playground" / "config.json").write_text(json.dumps(config))
    with served(tmp_path) as where:  # what is asserted in here would leave the server running
        found = faults(chromium, where, "playground/index.html", size, ("light", "dark"))
        tab = chromium.new_page()
        tab.goto(where + "playground/index.html")
        tab.wait_for_function("!document.getElementById('again').hidden || performance.now() > 9000")
        status, offers = tab.text_content("#status"), tab.is_visible("#again")
        tab.close()
    assert [f for f in found if "pyodide-lock.json" not in f and "404" not in f] == []
    assert "could not be loaded" in status
    assert offers
