"""Training, its folder and the command line, end to end on the embedded digits."""

import json
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from slow import slow_but

from data_loaders.common.files import write_atomically
from minisnn import cli, load_digits, plots
from minisnn.recipes import ESL_MLP_DEFAULTS
from minisnn.runs import start
from minisnn.structure import grow, prune
from minisnn.structure.masks import check_masks
from minisnn.training import checkpoint, loop
from minisnn.training.checkpoint import CheckpointError

QUICK = replace(ESL_MLP_DEFAULTS["digits"], hidden=(30,), epsilon=4.0, epochs=3, batch_size=200, t_iter=3)


def states_equal(a, b):
    for group in checkpoint.GROUPS:
        x, y = getattr(a, group), getattr(b, group)
        assert sorted(x) == sorted(y)
        for key in x:
            np.testing.assert_array_equal(x[key], y[key])
    assert {k: [m.tobytes() for m in v] for k, v in a.moments.items()} == {
        k: [m.tobytes() for m in v] for k, v in b.moments.items()
    }
    assert {k: r.bit_generator.state for k, r in a.rngs.items()} == {
        k: r.bit_generator.state for k, r in b.rngs.items()
    }
    assert (a.iteration, a.epoch) == (b.iteration, b.epoch)


@pytest.mark.parametrize("breaks_at", slow_but([10], [3, 10]))  # in the first epoch, in the second
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_resuming_equals_never_having_stopped(tmp_path, monkeypatch, optimizer, breaks_at):
    recipe = replace(QUICK, optimizer=optimizer, grow="random-unfired", shift=1)
    whole = start.train(recipe, out=tmp_path / "whole").result
    with monkeypatch.context() as patch:
        calls = []

        def breaks_off(*args):
            calls.append(1)
            if len(calls) == breaks_at:
                raise KeyboardInterrupt
            return step(*args)

        step = loop.step
        patch.setattr(loop, "step", breaks_off)
        with pytest.raises(KeyboardInterrupt):
            start.train(recipe, out=tmp_path / "broken")
    resumed = start.resume(tmp_path / "broken").result
    states_equal(*(checkpoint.load(tmp_path / name / "checkpoint.npz") for name in ("whole", "broken")))
    for name in ("seconds", "recipe"):
        whole.pop(name), resumed.pop(name)
    assert whole == resumed
    logs = [start.load(tmp_path / name).log for name in ("whole", "broken")]
    assert [{**row, "seconds": 0} for row in logs[0]] == [{**row, "seconds": 0} for row in logs[1]]


@pytest.mark.pictures
def test_a_run_and_its_folder(tmp_path):
    result = start.train(QUICK, out=tmp_path / "run").result
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "config.json", "log.csv", "checkpoint.npz", "result.json",
        "learning_curves.png", "firing_rates.png", "densities.png", "receptive_fields.png", "turnover.png",
    }  # fmt: skip
    assert json.loads((tmp_path / "run" / "result.json").read_text())["connections"] == result["connections"]
    rows = start.load(tmp_path / "run").log
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert {"train_loss", "train_accuracy", "val_accuracy", "density", "connections", "replaced", "exploration_rate",
            "firing_hidden", "firing_output"} <= set(rows[0])  # fmt: skip
    assert rows[0]["replaced"] > 0
    assert rows[0]["exploration_rate"] < rows[1]["exploration_rate"] < 1
    state = checkpoint.load(tmp_path / "run" / "checkpoint.npz")
    check_masks(state.params, state.masks)
    assert result["connections"] == state.masks["hidden.weight"].sum() + 30 * 10
    with pytest.raises(FileExistsError, match="holds a run already"):
        start.train(QUICK, out=tmp_path / "run")


def test_it_learns():
    """The defaults on digits: far above chance, dense and sparse, in seconds."""
    sparse = start.train(replace(ESL_MLP_DEFAULTS["digits"], epochs=4)).result
    dense = start.train(replace(ESL_MLP_DEFAULTS["digits"], epochs=4, epsilon=None, density=1.0)).result
    assert sparse["val_accuracy"] > 85
    assert dense["val_accuracy"] > 85
    assert dense["density"] == 1
    assert dense["exploration_rate"] == 1


@pytest.mark.parametrize("prune_rule", list(prune.RULES))
@pytest.mark.parametrize("grow_rule", list(grow.RULES))
def test_every_pair_of_rules_trains(prune_rule, grow_rule):
    result = start.train(replace(QUICK, prune=prune_rule, grow=grow_rule, hidden=(30, 20), epochs=1)).result
    assert result["exploration_rate"] > 0.2


def test_the_same_seed_gives_the_same_run_and_another_does_not():
    results = [start.train(replace(QUICK, epochs=1, seed=seed)).result["test_loss"] for seed in (1, 1, 2)]
    assert results[0] == results[1] != results[2]


def test_a_rule_changes_the_structure_but_not_the_data(monkeypatch):
    """Runs that differ in a rule see the same images in the same order and start from the same weights."""
    seen = []
    real = loop.step
    monkeypatch.setattr(
        loop, "step", lambda s, state, x, y, lr: seen.append(y.tolist()) or real(s, state, x, y, lr)
    )
    for rule in ("random", "momentum"):
        start.train(replace(QUICK, epochs=2, grow=rule))
    assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]


@given(damage=st.binary(min_size=1, max_size=200), at=st.integers(0, 20_000))
def test_damaged_checkpoints_are_refused_or_whole(tmp_path_factory, damage, at):
    folder = tmp_path_factory.mktemp("checkpoint")
    state = loop.start(QUICK.setup(load_digits()), seed=0)
    checkpoint.save(folder / "good.npz", state)
    states_equal(state, checkpoint.load(folder / "good.npz"))
    content = bytearray((folder / "good.npz").read_bytes())
    content[at : at + len(damage)] = damage
    (folder / "bad.npz").write_bytes(content[: None if at % 2 else at])
    try:
        checkpoint.load(folder / "bad.npz")
    except CheckpointError as error:
        assert "bad.npz" in str(error)


@pytest.mark.parametrize("header", [b"(", b"{'descr': ", b"\\", b"[" * 3000])
def test_a_damaged_header_is_refused(tmp_path, header):
    """NumPy reads headers as Python, and a broken one ends in what Python's tokenizer or parser raises."""
    text = header + b" " * 20 + b"\n"
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as file:
        file.writestr("meta.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
    with pytest.raises(CheckpointError, match=r"bad\.npz: not a readable checkpoint"):
        checkpoint.load(tmp_path / "bad.npz")


def test_what_is_written_is_as_readable_as_any_file(tmp_path):
    (tmp_path / "plain").write_text("")
    write_atomically(tmp_path / "ours", lambda file: file.write(b"x"))
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ours", "plain"]


def test_a_checkpoint_holds_arrays_alone(tmp_path):
    """Nothing else, whatever the version of NumPy; and what would have to be pickled is refused."""
    state = loop.start(QUICK.setup(load_digits()), seed=0)
    checkpoint.save(tmp_path / "c.npz", state)
    with np.load(tmp_path / "c.npz") as file:
        assert {name.partition("/")[0] for name in file.files} <= {"meta", "moments", *checkpoint.GROUPS}
    state.params["weight"] = np.array([{}], object)
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        checkpoint.save(tmp_path / "c.npz", state)


def test_a_failed_save_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    state = loop.start(QUICK.setup(load_digits()), seed=0)
    checkpoint.save(tmp_path / "c.npz", state)
    before = (tmp_path / "c.npz").read_bytes()
    monkeypatch.setattr(np.lib.format, "write_array", lambda file, *_, **__: file.write(b"half") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        checkpoint.save(tmp_path / "c.npz", state)
    assert [p.name for p in tmp_path.iterdir()] == ["c.npz"]
    assert (tmp_path / "c.npz").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prune": "smallest"}, "prune must be one of magnitude, set"),
        ({"grow": "set"}, "grow must be one of random, random-unfired, longest-inactive, gradient, momentum"),
        ({"density": 0.5}, "either epsilon or density"),
        ({"epsilon": None, "density": 0.0}, "density must be above 0 and at most 1, found 0"),
        ({"epsilon": None, "density": 1.1}, "density must be above 0 and at most 1, found 1.1"),
        ({"epsilon": -1.0}, "epsilon must be above 0"),
        ({"epsilon": 100.0}, "epsilon 100 overfills the layer 64-30: it must be above 0 and at most 20.43"),
        ({"epochs": -1}, "epochs must be at least 1, found -1"),
        ({"hidden": (0,)}, "hidden must be at least one layer"),
        ({"alpha": 1.5}, "alpha must be 0 to 1"),
        ({"lr": float("nan")}, "lr must be above 0"),
    ],
)
def test_impossible_recipes_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(QUICK, **change).setup(load_digits())


def command(*words):
    return cli.main(["train", "esl-mlp", "--hidden", "30", "--epsilon", "4", "--epochs", "2", *words])


def test_command_line(tmp_path, capsys):
    assert command("--json", "--out", str(tmp_path / "run"), "--prune", "set", "--seed", "3") == 0
    out = capsys.readouterr().out.strip().splitlines()
    result = json.loads(out[-1])
    assert {"test_accuracy", "val_accuracy", "density", "connections", "seconds"} <= set(result)
    assert result["recipe"]["prune"] == "set"
    assert result["recipe"]["seed"] == 3
    assert command("--out", str(tmp_path / "run")) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert cli.main(["train", "esl-mlp", "--resume", str(tmp_path / "run")]) == 0
    assert "test accuracy" in capsys.readouterr().out
    assert cli.main(["train", "esl-mlp", "--resume", str(tmp_path / "run"), "--lr", "1"]) == 2
    assert "it takes no --lr" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--density", "0"], "density must be above 0 and at most 1"),
        (["--grow", "gradients"], "grow must be one of random"),
        (["--epochs", "-2"], "epochs must be at least 1"),
        (["--epochs", "many"], "--epochs: expected a whole number, found 'many'"),
        (["--alpha", "2"], "alpha must be 0 to 1"),
    ],
)
def test_command_line_refuses(tmp_path, capsys, words, message):
    try:
        status = command(*words, "--out", str(tmp_path / "run"))
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_resume_of_nothing(tmp_path, capsys):
    assert cli.main(["train", "esl-mlp", "--resume", str(tmp_path)]) == 2
    assert "holds no run" in capsys.readouterr().err
    (tmp_path / "config.json").write_text("{}")
    assert cli.main(["train", "esl-mlp", "--resume", str(tmp_path)]) == 2
    assert "not the configuration of a run" in capsys.readouterr().err


def test_help_teaches(capsys):
    for words in (["--help"], ["train", "--help"], ["train", "esl-mlp", "--help"], ["demo", "--help"]):
        with pytest.raises(SystemExit):
            cli.main(words)
    assert "minisnn train esl-mlp --data mnist --epsilon 60" in capsys.readouterr().out


@pytest.mark.pictures
def test_demo(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(ESL_MLP_DEFAULTS, "digits", QUICK)
    with monkeypatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda figure, path, **options: path.touch())
        assert cli.main(["demo", "--out", str(tmp_path)]) == 0
    assert cli.main(["demo", "--out", str(tmp_path)]) == 0  # again, over the old one
    out = capsys.readouterr().out
    assert "dense SNN" in out
    assert "J on TrueNorth" in out
    assert (tmp_path / "learning_curves.png").stat().st_size
    assert (tmp_path / "esl-snn" / "turnover.png").stat().st_size


def test_plots_return_their_axes():
    ax = Figure().subplots()
    before, after = np.eye(16, 5, dtype=bool), np.ones((16, 5), bool)
    row = {"epoch": 1, "val_accuracy": 1, "train_accuracy": 2}
    assert plots.learning_curves(ax, {"a": [row]}) is ax
    assert plots.receptive_fields(ax, before, (4, 4)) is ax
    assert plots.turnover(ax, before, after, (4, 4)) is ax
    assert plots.connections_per_pixel(ax, after, (4, 4)) is ax


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_keeps_its_dtype(dtype):
    data = load_digits()
    setup = QUICK.setup(data)
    state = loop.start(setup, seed=0, dtype=dtype)
    images, labels = data.train.images[:50], data.train.labels[:50]
    for _ in range(4):
        loop.step(setup, state, images, labels, lr=0.1)
    assert {w.dtype for w in state.params.values()} == {np.dtype(dtype)}
    assert {m.dtype for moment in state.moments.values() for m in moment} == {np.dtype(dtype)}


def test_the_command_line_starts_without_matplotlib():
    """It takes longest to import, and most commands draw nothing before they have run for long."""
    code = "import sys; from minisnn import cli; cli._parser(); sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
