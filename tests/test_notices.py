"""Warnings: one line each, once each, wherever they are read."""

import re
import subprocess
import sys
import warnings

import numpy as np
import pytest

from minisnn import cli
from minisnn.commands import data
from minisnn.notices import MinisnnWarning, warn, warn_of_silence
from minisnn.training import loop


def test_a_script_or_a_notebook_shows_one_line():
    """And the same text twice if it is said twice, which Python's default would swallow."""
    done = subprocess.run(
        [sys.executable, "-c", "from minisnn.notices import warn\nwarn('epoch 3: a')\nwarn('epoch 3: a')"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == 2 * "minisnn: warning: epoch 3: a\n"


def test_filters_know_the_category_and_the_module():
    with pytest.raises(MinisnnWarning, match="said"):  # the tests turn warnings into errors
        warn("said")
    for known in ({"category": MinisnnWarning}, {"module": "minisnn"}, {"message": "said"}):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", **known)
            warn("said")


def said(*epochs, fires_once=False):
    """What is warned of over epochs with these firing rates."""
    known, texts = frozenset(), []
    for n, firing in enumerate(epochs, 1):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            known = warn_of_silence(firing, n, fires_once, known)
        texts += [str(w.message) for w in caught]
    return texts


def test_a_silent_layer_is_reported_when_it_begins_and_when_it_begins_again():
    well, dead = {"a": 0.2, "b": 0.1}, {"a": 0.2, "b": 0.0}
    assert said(well, dead, dead, dead) == [
        "epoch 2: dead layer: b fires less than 0.0001 times per neuron and step"
    ]
    assert [text[:8] for text in said(dead, dead, well, dead)] == ["epoch 1:", "epoch 4:"]
    silent = {"a": 0.0, "b": 0.0}
    assert said(dead, silent, silent)[1:] == [
        "epoch 2: the network is silent, no layer fires. Are inputs and initial weights large enough?"
    ]
    full = {"a": 1.0, "b": 1.0}
    assert said(full, full) == ["epoch 1: saturated layer: a, b fires at more than 99% of all steps"]
    assert said(full, fires_once=True) == []
    assert said(silent, dead, silent)[1:] == [
        "epoch 3: the network is silent, no layer fires. Are inputs and initial weights large enough?"
    ]


def test_the_command_line_shows_one_line_that_no_bar_runs_into(tmp_path, capsys, monkeypatch):
    real = loop.gradients

    def gradients(*args):
        loss, correct, firing, grads = real(*args)
        return loss, correct, firing | {"lif1": 0.0}, grads

    monkeypatch.setattr(loop, "gradients", gradients)
    before = warnings.showwarning
    monkeypatch.setattr("warnings.filters", [("default", None, Warning, None, 0)])  # as outside of the tests
    options = "--net 4C3-AP4-10FC --T 1 --epochs 2 --batch-size 500"
    assert cli.main(["train", "lif", *options.split(), "--out", str(tmp_path / "run")]) == 0
    assert warnings.showwarning is before
    lines = capsys.readouterr().err.split("\n")
    found = [line for line in lines if "warning" in line.lower()]
    assert len(found) == 1
    assert found[0].rpartition("\r")[2] == (
        "minisnn: warning: epoch 1: the network is silent, no layer fires. "
        "Are inputs and initial weights large enough?"
    )
    assert not re.search(r"\.py|warn\(", "\n".join(lines))


def test_other_warnings_are_one_line_too(capsys, monkeypatch):
    def run(*args):
        warnings.warn("of another library", RuntimeWarning, stacklevel=1)
        np.array([1.0]) / np.array([0.0])

    monkeypatch.setattr("warnings.filters", [("always", None, Warning, None, 0)])
    monkeypatch.setattr(data, "_data", run)
    assert cli.main(["data", "list"]) == 0
    assert capsys.readouterr().err == (
        "minisnn: warning: of another library\nminisnn: warning: divide by zero encountered in divide\n"
    )


def test_without_stderr_nothing_is_said(monkeypatch, capsys):
    """Not on stdout, where results are."""
    monkeypatch.setattr(sys, "stderr", None)
    cli._show_warning("said", MinisnnWarning, "", 1)
    assert capsys.readouterr().out == ""
