"""`minisnn train sca-vgg16` and `minisnn slim`, end to end on the embedded digits."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from slow import slow_but
from test_run import states_equal

from data_loaders.catalogue import DATA_SETS
from data_loaders.common.declaration import REGISTERED
from minisnn import cli, load_digits
from minisnn.networks import describe
from minisnn.networks.notation import SCA_STYLE, from_notation
from minisnn.recipes import ESL_MLP_DEFAULTS, LIF_DEFAULTS, SCA_VGG16_DEFAULTS, LIFNet
from minisnn.runs import slim as slim_run
from minisnn.runs import start
from minisnn.structure.slim import Slimmer
from minisnn.training import checkpoint, loop

TINY = "6C3-MP2-8C3-MP2-10FC"
QUICK = replace(SCA_VGG16_DEFAULTS["digits"], net=TINY, epochs=2, batch_size=100)
FILES = {"config.json", "checkpoint.npz", "log.csv", "result.json", "learning_curves.png", "firing_rates.png",
         "receptive_fields.png"}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def small_digits():
    """A fifth of the digits is enough."""
    digits = load_digits()
    fifths = {name: part.take(np.arange(0, len(part.labels), 5)) for name, part in digits.splits.items()}
    less = replace(digits, **fifths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(REGISTERED, "digits", replace(DATA_SETS["digits"], load=lambda: less))
        yield less


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_digits):
    """A run with masked channels, and its result."""
    folder = tmp_path_factory.mktemp("sca") / "run"
    return folder, start.train(QUICK, out=folder).result


def rows_of(folder):
    return [{**row, "seconds": 0} for row in start.load(folder).log]


def without(result, *names):
    return {key: value for key, value in result.items() if key not in ("seconds", *names)}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- train sca-vgg16


@pytest.mark.pictures
def test_a_run_with_channels(trained):
    folder, result = trained
    assert {path.name for path in folder.iterdir()} == FILES | {"channels.png"}
    config = json.loads((folder / "config.json").read_text())
    assert (config["train"], config["recipe"]["net"]) == ("sca-vgg16", TINY)
    state = start.load(folder).state
    assert {key: mask.shape for key, mask in state.channels.items()} == {"lif1": (6,), "lif2": (8,)}
    assert sum(int(mask.sum()) for mask in state.channels.values()) == 5 + 1  # floor(.4 * 14), floor(.1 * 14)
    assert {key: counts[-1] for key, counts in result["channels"].items()} == {
        key: int(mask.sum()) for key, mask in state.channels.items()
    }
    assert result["regrown"][-1] == start.load(folder).log[-1]["regrown"]
    assert set(result["scores"]) == {"lif1", "lif2"}


@pytest.mark.parametrize(
    "change",
    [{"mode": "hard"}, {"optimizer": "adam"}, *slow_but([], [{"mode": "random"}, {"q": 0.0}, {"end": 0.5}])],
)
def test_resuming_equals_never_having_stopped(tmp_path, monkeypatch, change):
    recipe = replace(QUICK, epochs=3, **change)
    whole = start.train(recipe, out=tmp_path / "whole", pictures=False).result
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            start.train(recipe, out=tmp_path / "broken")
    resumed = start.resume(tmp_path / "broken", pictures=False).result
    states_equal(*(checkpoint.load(tmp_path / name / "checkpoint.npz") for name in ("whole", "broken")))
    assert without(resumed) == without(whole) | {"recipe": resumed["recipe"]}
    assert rows_of(tmp_path / "broken") == rows_of(tmp_path / "whole")


def stop_after(patch, epochs, module=loop):
    """An interrupt in the middle of the next epoch."""
    real = module.train_epoch
    done = []

    def train_epoch(setup, state, *args):
        if len(done) == epochs:
            setup.learner.before_step(state, {key: 0 * w for key, w in state.params.items()})
            state.rngs["data"].random(7)
            raise KeyboardInterrupt
        done.append(1)
        return real(setup, state, *args)

    patch.setattr(module, "train_epoch", train_epoch)


@pytest.mark.pictures
def test_command_line(tmp_path, capsys):
    out = tmp_path / "run"
    words = ["train", "sca-vgg16", "--net", TINY, "--epochs", "1", "--batch-size", "100", "--p", "0.3", "--seed", "4",
             "--out", str(out)]  # fmt: skip
    assert cli.main([*words, "--json"]) == 0
    result = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert (result["recipe"]["p"], result["recipe"]["seed"], result["recipe"]["data"]) == (0.3, 4, "digits")
    assert (
        sum(counts[-1] for counts in result["channels"].values()) == 8 + 1
    )  # floor(.6 * 14), floor(.1 * 14)
    assert cli.main(words) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert cli.main(["train", "sca-vgg16", "--resume", str(out)]) == 0
    assert "test accuracy" in capsys.readouterr().out
    assert cli.main(["slim", str(out)]) == 0
    said = capsys.readouterr().out
    assert str(tmp_path / "run-slim") in said
    for name in ("channels", "parameters", "operations", "synops", "macs", "accuracy"):
        assert f"\n{name}" in said
    assert {path.name for path in (tmp_path / "run-slim").iterdir()} == FILES


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--net", "vgg16"], "pool4: a pool of 2x2 leaves nothing of 1x1"),
        (["--net", "mlp"], "no channels to prune: it needs convolutions with batch norm"),
        (["--p", "0.9"], r"--p and --q must be 0 or more and --p + --q below 1, found --p = 0.9, --q = 0.1"),
        (["--p", "0.88"], "keeps 0 of 14 channels by their scores, but there are 2 layers"),
        (["--every", "0"], "every must be at least 1"),
        (["--end", "0"], "end must be above 0 and at most 1"),
        (["--mode", "medium"], "mode must be one of soft"),
        (["--score", "loud"], "score must be one of code"),
    ],
)
def test_what_train_refuses(tmp_path, capsys, words, message):
    try:
        status = cli.main(["train", "sca-vgg16", "--net", TINY, *words, "--out", str(tmp_path / "run")])
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_help_teaches(capsys):
    for words in (["train", "sca-vgg16", "--help"], ["slim", "--help"]):
        with pytest.raises(SystemExit):
            cli.main(words)
    assert "minisnn slim runs/sca-vgg16-digits-seed0" in capsys.readouterr().out


# --- slim


@pytest.mark.pictures
def test_a_slim_run(trained, tmp_path):
    """A run like any other: its network is the small one, its state what was cut, its log that of the large one."""
    folder, result = trained
    before = contents(folder)
    out = tmp_path / "slim"
    small = slim_run.slim_run(folder, out)
    assert contents(folder) == before
    assert {path.name for path in out.iterdir()} == FILES
    assert json.loads((out / "result.json").read_text()) == small
    recipe, state = (loaded := start.load(out)).recipe, loaded.state
    whole = start.load(folder).state
    counts = {key: int(mask.sum()) for key, mask in whole.channels.items()}
    assert isinstance(recipe, LIFNet)
    assert (recipe.paper, recipe.epochs, recipe.lr, recipe.width) == ("sca", 2, 0.05, 1.0)
    expected = from_notation(f"{counts['lif1']}C3-MP2-{counts['lif2']}C3-MP2-10FC", (8, 8, 1), 2, SCA_STYLE)
    assert describe.from_text(recipe.net) == expected
    net = from_notation(TINY, (8, 8, 1), 2, SCA_STYLE)
    states_equal(state, Slimmer(net, (8, 8, 1), whole.channels).state(whole))
    assert (state.epoch, state.channels) == (2, {})
    assert rows_of(out) == rows_of(folder)
    assert small["channels"] == counts
    assert small["before"]["channels"] == {"lif1": 6, "lif2": 8}
    assert small["before"]["parameters"] == sum(w.size for w in whole.params.values())
    assert small["parameters"] == sum(w.size for w in state.params.values()) == result["parameters"]
    for name in ("operations", "synops", "macs"):
        assert 0 < small[name] < small["before"][name] or (name == "synops" and not small["before"][name])
        assert small[name] == pytest.approx(result[name])
    assert small["test_accuracy"] == pytest.approx(small["before"]["test_accuracy"], abs=3)
    assert small["val_accuracy"] == result["val_accuracy"]


@pytest.mark.parametrize(
    "change",
    [
        {"net": "pre-resnet18", "width": 0.06, "p": 0.4},
        {"mode": "hard", "fast": False},
        {"mode": "random", "paper": "esl", "net": "6C5-AP2-8C3S2-10FC"},
        *slow_but([], [{"net": "resnet19", "width": 0.06}, {"optimizer": "adam", "l1": 0.0}]),
    ],
)
def test_every_kind_of_run_becomes_slim(tmp_path, change):
    start.train(replace(QUICK, epochs=1, **change), out=tmp_path / "run", pictures=False)
    result = slim_run.slim_run(tmp_path / "run", tmp_path / "slim", pictures=False)
    assert result["parameters"] < result["before"]["parameters"]
    recipe, state = (loaded := start.load(tmp_path / "slim")).recipe, loaded.state
    params = recipe.plain(load_digits()).init(np.random.default_rng(0), (8, 8, 1))[0]
    assert {key: w.shape for key, w in state.params.items()} == {key: w.shape for key, w in params.items()}


def test_a_slim_run_goes_on(trained, tmp_path, monkeypatch):
    """Training on begins anew, at its own rate, from the cut weights; and resuming equals never having stopped."""
    folder, _ = trained
    starts = []
    real = loop.step

    def step(setup, state, images, labels, lr):
        if not state.iteration:
            starts.append(({key: w.copy() for key, w in state.params.items()}, lr, [m.copy() for v in
                           state.moments.values() for m in v]))  # fmt: skip
        return real(setup, state, images, labels, lr)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "step", step)
        whole = slim_run.slim_run(folder, tmp_path / "whole", epochs=3, lr=0.02, pictures=False)
    ((params, lr, moments),) = starts
    recipe, masked = (loaded := start.load(folder)).recipe, loaded.state
    small = Slimmer(recipe.plain(load_digits()), (8, 8, 1), masked.channels).state(masked)
    assert lr == 0.02
    assert not any(m.any() for m in moments)
    for key, w in small.params.items():
        np.testing.assert_array_equal(w, params[key])
    assert len(rows_of(tmp_path / "whole")) == 3
    assert start.load(tmp_path / "whole").recipe.lr == 0.02
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            slim_run.slim_run(folder, tmp_path / "broken", epochs=3, lr=0.02, pictures=False)
    assert len(rows_of(tmp_path / "broken")) == 1
    assert cli.main(["train", "lif", "--resume", str(tmp_path / "broken")]) == 0
    states_equal(*(checkpoint.load(tmp_path / name / "checkpoint.npz") for name in ("whole", "broken")))
    assert rows_of(tmp_path / "broken") == rows_of(tmp_path / "whole")
    resumed = json.loads((tmp_path / "broken" / "result.json").read_text())
    assert without(resumed, "channels") == without(whole, "channels", "before")


def test_a_slim_run_at_its_end_resumes_to_itself(trained, tmp_path):
    """There is nothing left to train, and nothing changes."""
    whole = slim_run.slim_run(trained[0], tmp_path / "slim", pictures=False)
    before = checkpoint.load(tmp_path / "slim" / "checkpoint.npz")
    resumed = start.resume(tmp_path / "slim", pictures=False).result
    states_equal(before, checkpoint.load(tmp_path / "slim" / "checkpoint.npz"))
    assert without(resumed, "channels") == without(whole, "channels", "before")


def test_an_unfinished_run_becomes_slim_if_it_trains_on(tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            start.train(QUICK, out=tmp_path / "run")
    assert cli.main(["slim", str(tmp_path / "run")]) == 2
    assert "run: epoch 1 of 2: resume the run first, or give epochs" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"run"}
    assert cli.main(["slim", str(tmp_path / "run"), "--epochs", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert (result["recipe"]["epochs"], result["recipe"]["lr"]) == (1, 0.05)


def test_an_interrupted_slim_run_says_how_to_go_on(trained, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        assert cli.main(["slim", str(trained[0]), "--out", str(tmp_path / "slim"), "--epochs", "2"]) == 130
    assert f"go on with: minisnn train --resume {tmp_path / 'slim'}" in capsys.readouterr().err
    assert cli.main(["train", "lif", "--resume", str(tmp_path / "slim")]) == 0


def test_what_masked_channels_have_learned_since_goes_with_them(trained, tmp_path):
    """In soft mode they train on until the next update; evaluation, costs and the slim network know only masks."""
    first = slim_run.slim_run(trained[0], tmp_path / "first", pictures=False)
    shutil.copytree(trained[0], tmp_path / "run")
    state = checkpoint.load(tmp_path / "run" / "checkpoint.npz")
    for key, mask in state.channels.items():
        state.params[key.replace("lif", "bn") + ".beta"] += 5 * ~mask
    checkpoint.save(tmp_path / "run" / "checkpoint.npz", state)
    second = slim_run.slim_run(tmp_path / "run", tmp_path / "second", pictures=False)
    assert without(second) == without(first)


def test_the_folder_one_stands_in(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(trained[0])
    assert cli.main(["slim", "."]) == 0
    assert (trained[0].parent / "run-slim" / "result.json").exists()


def test_a_silent_network_has_no_percentages(tmp_path, capsys):
    start.train(replace(QUICK, epochs=1), out=tmp_path / "run", pictures=False)
    state = checkpoint.load(tmp_path / "run" / "checkpoint.npz")
    for key, w in state.params.items():
        if key.endswith(("gamma", "beta")) or key.startswith("fc1"):
            w *= 0
    checkpoint.save(tmp_path / "run" / "checkpoint.npz", state)
    assert cli.main(["slim", str(tmp_path / "run")]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("synops")]
    assert line.split() == ["synops", "0", "0"]


# --- what slim refuses


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--epochs", "-1"], "epochs must be at least 1, found -1"),
        (["--epochs", "1", "--lr", "0"], "lr must be above 0"),
        (["--epochs", "1", "--lr", "nan"], "lr must be above 0"),
        (["--lr", "0.1"], "--lr = 0.1 is for further training: it needs --epochs"),
        (["--epochs", "many"], "invalid int value"),
    ],
)
def test_options_that_make_no_sense(trained, tmp_path, capsys, words, message):
    before = contents(trained[0])
    try:
        status = cli.main(["slim", str(trained[0]), "--out", str(tmp_path / "slim"), *words])
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "slim").exists()
    assert contents(trained[0]) == before


@pytest.mark.parametrize(
    "recipe",
    [
        replace(QUICK, epochs=1, p=0.0, q=0.0),
        replace(LIF_DEFAULTS["digits"], net=TINY, epochs=1, batch_size=100),
        replace(ESL_MLP_DEFAULTS["digits"], hidden=(10,), epsilon=4.0, epochs=1, batch_size=100),
    ],
)
def test_runs_without_masks(tmp_path, capsys, recipe):
    start.train(recipe, out=tmp_path / "run", pictures=False)
    assert cli.main(["slim", str(tmp_path / "run")]) == 2
    assert "run has no channel masks; runs of `minisnn train sca-vgg16` have them" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_a_slim_run_is_not_slimmed_again(trained, tmp_path, capsys):
    slim_run.slim_run(trained[0], tmp_path / "slim", pictures=False)
    assert cli.main(["slim", str(tmp_path / "slim")]) == 2
    assert "has no channel masks" in capsys.readouterr().err


def test_folders_that_are_no_run(tmp_path, capsys):
    assert cli.main(["slim", str(tmp_path / "nothing")]) == 2
    assert "nothing holds no run: there is no config.json" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "config.json").write_text("{}")
    assert cli.main(["slim", str(tmp_path), "--out", str(tmp_path / "slim")]) == 2
    assert "not the configuration of a run" in capsys.readouterr().err
    assert not (tmp_path / "slim").exists()


@pytest.mark.parametrize("there", ["itself", "another"])
def test_a_place_that_is_taken(trained, tmp_path, capsys, there):
    folder, _ = trained
    out = folder
    if there == "another":
        out = tmp_path
        (out / "config.json").write_text("{}")
    before = contents(out)
    assert cli.main(["slim", str(folder), "--out", str(out)]) == 2
    assert f"{out} holds a run already: choose another folder" in capsys.readouterr().err
    assert contents(out) == before


@pytest.mark.parametrize("name", ["checkpoint.npz", "log.csv"])
def test_a_run_that_lacks_a_file(tmp_path, capsys, name):
    start.train(replace(QUICK, epochs=1), out=tmp_path / "run", pictures=False)
    (tmp_path / "run" / name).unlink()
    assert cli.main(["slim", str(tmp_path / "run")]) == 2
    message = {"checkpoint.npz": "there is no checkpoint", "log.csv": "found 0 rows, expected 1"}[name]
    assert f"{name}: {message}" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


@pytest.mark.parametrize("damage", ["statistics", "filters", "inputs", "bias"])
def test_a_damaged_slimmer_is_found_out(trained, tmp_path, monkeypatch, damage):
    """Nothing is written unless both networks fire alike."""
    real = Slimmer.take

    def take(slimmer, key, array):
        found = real(slimmer, key, array)
        if damage == "statistics" and key == "bn2.mean":
            return found[::-1]
        if damage == "filters" and key == "conv2.weight":
            return found[..., ::-1]
        if damage == "inputs" and key == "fc1.weight":
            return array[: len(found)]  # as if a channel's positions lay together
        if damage == "bias" and key == "fc1.bias":
            return found + 1e-6
        return found

    monkeypatch.setattr(Slimmer, "take", take)
    with pytest.raises(RuntimeError, match="the small network does not compute what the masked one does"):
        slim_run.slim_run(trained[0], tmp_path / "slim")
    assert not (tmp_path / "slim").exists()


def test_slim_networks_are_trained_by_text(trained, tmp_path):
    """The text of a slim network is a name like any other, for dense training and for pruning once more."""
    slim_run.slim_run(trained[0], tmp_path / "slim", pictures=False)
    net = start.load(tmp_path / "slim").recipe.net
    result = start.train(
        replace(QUICK, net=net, epochs=1, p=0.2), out=tmp_path / "again", pictures=False
    ).result
    small = slim_run.slim_run(tmp_path / "again", tmp_path / "twice", pictures=False)
    assert small["parameters"] == result["parameters"] < small["before"]["parameters"]
