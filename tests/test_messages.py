"""What is wrong is said in one sentence: which argument, what was found, what was expected, the nearest known name."""

import re
import sys

import numpy as np
import pytest

import minisnn as snn
from data_loaders.common import importing
from minisnn import cli
from minisnn.commands.options import as_options
from minisnn.networks.stages.first_spike import FirstSpike
from minisnn.networks.stages.weights import Conv, Linear
from minisnn.notices import MinisnnWarning
from minisnn.training import loop

TINY = {"hidden": (20,), "epochs": 1, "pictures": False}
STATISTICS = snn.GrowthStatistics(np.ones(5), np.ones(5), np.ones(5, int))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return snn.train("esl-mlp", out=tmp_path_factory.mktemp("run") / "run", **TINY)


def refused(what, message, kind=ValueError):
    with pytest.raises(kind) as error:
        what()
    assert re.search(message, str(error.value)), str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (lambda: snn.Neuron(decay="a"), "^decay must be a number, found 'a'$"),
        (lambda: snn.Neuron(decay=float("nan")), "^decay must be a number, found nan$"),
        (lambda: snn.Neuron(decay=1.5), "^decay must be 0 to 1, found 1.5$"),
        (lambda: snn.Neuron(v_th=None), "^v_th must be a number, found None$"),
        (lambda: snn.Neuron(v_reset="low"), "^v_reset must be a number, found 'low'$"),
        (lambda: snn.Neuron(v_reset=2.0), "^v_reset must be below v_th = 1.0, found 2.0$"),
        (lambda: snn.Neuron(detach_reset="no"), "^detach_reset must be True or False, found 'no'$"),
        (lambda: snn.Neuron(surrogate="triangle"), r"such as ArcTan\(\), .*, found 'triangle'$"),
        (lambda: snn.Neuron(surrogate=snn.Triangle), "^surrogate must be an object with step and slope"),
        (lambda: snn.leaky("a"), "^tau_m must be a number, found 'a'$"),
        (lambda: snn.exact_mask(3, 0.5, np.random.default_rng(0)), r"^shape must be a list of whole numbers, found 3"),
        (lambda: snn.Triangle("a"), "^gamma must be a number, found 'a'$"),
        (lambda: snn.exact_mask((3, 4), "half", np.random.default_rng(0)), "^density must be a number, found 'half'$"),
        (lambda: snn.erk_densities({"a": (3, 4)}, "half"), "^density must be a number, found 'half'$"),
        (lambda: snn.erk_densities([(3, 4)], 0.5), r"^shapes must be a dictionary of shapes by key, .*\[\(3, 4\)\]$"),
        (lambda: snn.erk_densities({"a": 3}, 0.5), "^the shape of a must be two or more whole .*, found 3$"),
        (lambda: snn.erdos_renyi_density("a", 3, 1), "^n_in must be a number, found 'a'$"),
    ],
)  # fmt: skip
def test_values_of_another_type(what, message):
    refused(what, message)


@pytest.mark.parametrize("rng", [0, 7, None, "seed"])
@pytest.mark.parametrize(
    "what",
    [
        lambda rng: snn.exact_mask((3, 4), 0.5, rng),
        lambda rng: snn.bernoulli_mask((3, 4), 0.5, rng),
        lambda rng: snn.check_gradient(snn.l1_cost_forward, snn.l1_cost_backward, (np.ones(3),), rng),
        lambda rng: snn.grow_random(STATISTICS, np.arange(5), 2, rng),
        lambda rng: snn.grow_longest_inactive(STATISTICS, np.arange(5), 2, rng),
        lambda rng: snn.draw_channels({"lif1": 4}, 0.5, rng),
        lambda rng: snn.draw_binomially({"a": snn.Layer(1, 3, 0.5)}, rng),
        lambda rng: Linear(4).init(rng, (8,)),
        lambda rng: Conv(4).init(rng, (8, 8, 1)),
        lambda rng: FirstSpike(4).init(rng, (8,)),
        lambda rng: snn.shift(np.ones((2, 4, 4, 1)), 1, rng),
        lambda rng: snn.flip(np.ones((2, 4, 4, 1)), rng),
        lambda rng: snn.roll(np.ones((2, 3, 4, 4, 1)), 1, rng),
        lambda rng: snn.hold_out(snn.load_digits().train, 0.1, rng),
        lambda rng: snn.stratified(snn.load_digits().train, 2, rng),
        lambda rng: snn.Dropout(0.5).init(rng, (8,)),
    ],
)
def test_a_seed_is_no_generator(what, rng):
    seed = rng if isinstance(rng, int) else 0
    refused(
        lambda: what(rng), rf"^rng must be a .*Generator: np.random.default_rng\({seed}\), found {rng!r}$"
    )
    what(np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (lambda run: snn.resume(run.folder, epochs="8"), "^epochs must be a whole number, found '8'$"),
        (lambda run: snn.resume(run), "^folder must be a path, found an object of type Run: its folder is '"),
        (lambda run: snn.load(3), "^folder must be a path, found 3$"),
        (lambda run: snn.load(run.folder, device="tpu"), "^device must be one of cpu, gpu, found 'tpu'"),
        (lambda run: snn.compare([run]), "^each of folders must be a path, found an object of type Run"),
        (lambda run: snn.compare("x"), r"^folders must be a list of paths, found a single one: write \['x'\]$"),
        (lambda run: snn.compare(3), "^folders must be a list of paths, found 3$"),
        (lambda run: snn.sweep("lif", seeds=0), r"^seeds must be a list of whole numbers, found 0: write \[0\]$"),
        (lambda run: snn.sweep("lif", seeds=["a"]), "^each of seeds must be a whole number, found 'a'$"),
        (lambda run: snn.sweep("lif", out=3), "^out must be a path, found 3$"),
        (lambda run: snn.sweep(3), "^network must be one of esl-mlp, lif, sca-vgg16, or a class .*, found 3$"),
        (lambda run: snn.train(3), r"^kind must be one of .* or a recipe such as LIFNet\(\), found 3$"),
        (lambda run: snn.train(snn.LIFNet), r": write LIFNet\(\)$"),
        (lambda run: snn.train("lif", progress=True), '^progress must be the name .* "training", or None, found True$'),
        (lambda run: run.finish(progress=3), "^progress must be the name of a progress bar"),
        (lambda run: snn.train("lif", out=3), "^out must be a path, found 3$"),
    ],
)  # fmt: skip
def test_arguments_of_runs(run, what, message):
    before = sorted(run.folder.iterdir())
    refused(lambda: what(run), message)
    assert sorted(run.folder.iterdir()) == before


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (lambda: snn.LIFNet(epoch=1), "^LIFNet has no argument 'epoch'; did you mean epochs[?]$"),
        (lambda: snn.train("lif", epoch=1), "^lif has no argument 'epoch'; did you mean epochs[?]$"),
        (lambda: snn.train("lif", progres="x"), "^lif has no argument 'progres'; did you mean progress[?]$"),
        (lambda: snn.train(snn.LIFNet(), epoch=1), "^LIFNet has no argument 'epoch'; did you mean epochs[?]$"),
        (lambda: snn.make("lif", denstiy=0.5), "^lif has no argument 'denstiy'; did you mean density[?]$"),
        (lambda: snn.sweep("lif", seed_s=[1]), "^lif has no argument 'seed_s'; did you mean seeds[?]$"),
        (lambda: snn.make("lif", qqqq=1), "^lif has no argument 'qqqq'$"),
        (lambda: snn.Neuron(decays=0.5), "^Neuron has no argument 'decays'; did you mean decay[?]$"),
        (lambda: snn.leaky(decays=0.5), "^Neuron has no argument 'decays'; did you mean decay[?]$"),
        (lambda: snn.Neuron(qqqq=1), "^Neuron has no argument 'qqqq'; there are decay, gain, v_th, .*, smooth$"),
    ],
)  # fmt: skip
def test_misspelt_arguments(what, message):
    refused(what, message)


def test_misspelt_attributes(run):
    for thing, name, meant in (
        (run, "weigths", "weights"), (run, "evalute", "evaluate"), (run.recipe, "epoch", "epochs"),
        (snn.Neuron(), "threshold", None), (snn.Neuron(), "detach_rest", "detach_reset"),
    ):  # fmt: skip
        words = f"; did you mean {meant}?" if meant else ""
        with pytest.raises(AttributeError, match=rf"no attribute '{name}'{re.escape(words)}$"):
            getattr(thing, name)
    assert not hasattr(run, "__array__")


def test_a_property_that_fails_keeps_its_own_error(run, monkeypatch):
    broken = snn.load(run.folder)
    monkeypatch.setattr(type(broken.recipe), "setup", lambda *_: [].nothing)
    with pytest.raises(AttributeError, match="'list' object has no attribute 'nothing'"):
        broken.setup  # noqa: B018


def test_a_folder_that_holds_a_run(run):
    folder = re.escape(repr(str(run.folder)))
    message = rf"snn.load\({folder}\) reads it, snn.resume\({folder}\) goes on with it; for a new run choose another"
    refused(lambda: snn.train("esl-mlp", out=run.folder, **TINY), message, FileExistsError)


def test_memory_in_python(monkeypatch):
    def step(*args):
        raise MemoryError("Unable to allocate 1 GiB")

    monkeypatch.setattr(loop, "step", step)
    message = "^out of memory: Unable to allocate 1 GiB; choose a smaller net, width, batch_size or T$"
    refused(lambda: snn.train("lif"), message, MemoryError)


def test_ctrl_c_says_how_to_go_on(tmp_path, monkeypatch):
    def step(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "step", step)
    with pytest.raises(KeyboardInterrupt) as error:
        snn.train("esl-mlp", out=tmp_path / "run", **TINY)
    assert error.value.__notes__ == [f"go on with: snn.resume({str(tmp_path / 'run')!r})"]
    with pytest.raises(KeyboardInterrupt) as error:
        snn.train("esl-mlp", **TINY)
    assert not hasattr(error.value, "__notes__")


def test_a_run_that_is_not_finished_says_so_once(tmp_path, monkeypatch):
    real = loop.fit

    def fit(setup, state, data, after_epoch, progress):
        def stop(row):
            after_epoch(row)
            raise KeyboardInterrupt

        real(setup, state, data, stop, progress)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "fit", fit)
        with pytest.raises(KeyboardInterrupt):
            snn.train("esl-mlp", out=tmp_path / "run", hidden=(20,), epochs=3)
    run, images = snn.load(tmp_path / "run"), snn.load_digits().test.images[:2]
    with pytest.warns(MinisnnWarning, match="run is not finished: .* after epoch 1 of 3, and"):
        run.predict(images)
    run.scores(images)  # a second warning would be an error
    run.evaluate()


# ------------------------------------------------------------------------------------------------------ code of yours

OWN = """
from minisnn import StructureLearner

def signature(weight, mask):
    return []

def crash(weight, mask, count):
    return [1][count]

def three(densities):
    return 3

def boom(densities):
    raise KeyError("x")

class Ignores(StructureLearner):
    def __init__(self, densities):
        pass

class Hook(Ignores):
    def before_step(self, state):
        pass

class Crash(Ignores):
    def before_step(self, state, grads):
        raise RuntimeError("oh no")

class Slope:
    def step(self, x):
        return x

    def slope(self, x):
        return x.nothing

instance = Ignores({})
number = 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of the user's own in the current folder."""
    name = f"own_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    sys.modules.pop(name, None)
    importing.IMPORTED.discard(name)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--prune OWN:signature", r"prune rule OWN:signature: TypeError: signature\(\) takes 2 .* \(FILE:4\)"),
        ("--prune OWN:crash", r"prune rule OWN:crash: IndexError: list index out of range \(FILE:8\)"),
        ("--learner OWN:three", "what the learner OWN:three returns must be a StructureLearner, found 3"),
        ("--learner OWN:boom", r"learner OWN:boom: KeyError: 'x' \(FILE:14\)"),
        ("--learner OWN:Hook", r"OWN:Hook: TypeError: Hook.before_step\(\) takes 2 .* \(FILE:20\)"),
        ("--learner OWN:Crash", r"OWN:Crash.before_step: RuntimeError: oh no \(FILE:26\)"),
        ("--learner OWN:instance", "--learner must be a function or class, .*, found an object of type Ignores"),
        ("--learner OWN:number", "--learner must be a function or class, module:name or one of .*, found 3"),
        ("lif --surrogate OWN:Slope", r"OWN:Slope.slope: AttributeError: .* no attribute 'nothing' \(FILE:33\)"),
    ],
)  # fmt: skip
def test_own_code_that_fails_is_named_on_the_command_line(own, tmp_path, capsys, words, message):
    kind = ["lif"] if words.startswith("lif ") else ["esl-mlp", "--hidden", "20"]
    words = words.removeprefix("lif ").replace("OWN", own).split()
    assert cli.main(["train", *kind, "--epochs", "1", "--quiet", "--out", "run", *words]) == 2
    message = message.replace("OWN", own).replace("FILE", re.escape(str(tmp_path / f"{own}.py")))
    assert re.fullmatch(rf"minisnn: error: {message}\n", err := capsys.readouterr().err), err


def test_an_error_of_ours_is_not_blamed_on_anybody(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "step", lambda *_: [].nothing)
    with pytest.raises(AttributeError, match="nothing"):
        cli.main(["train", "esl-mlp", "--quiet", "--out", str(tmp_path / "run")])


@pytest.mark.filterwarnings("default::minisnn.notices.MinisnnWarning")
def test_settings_that_an_own_learner_does_not_see(own, capsys):
    words = ["--learner", f"{own}:Ignores", "--alpha", "0.3", "--t-iter", "20"]
    assert (
        cli.main(["train", "esl-mlp", "--hidden", "20", "--epochs", "1", "--quiet", "--out", "run", *words])
        == 0
    )
    warned = "minisnn: warning: --alpha, --t-iter: the learner "
    assert (
        capsys.readouterr().err
        == f"{warned}{own}:Ignores does not see these; it is given the densities only\n"
    )


def test_a_lambda_is_refused_only_where_it_has_to_be_saved(tmp_path):
    def train(**out):
        return snn.train("esl-mlp", prune=lambda w, mask, n: np.flatnonzero(mask)[:n], **TINY, **out)

    assert train().result["recipe"]["prune"].endswith(":<lambda>")
    refused(
        lambda: train(out=tmp_path / "run"),
        "^prune: found .*lambda.*: to keep the run in a folder, define it",
    )
    assert not (tmp_path / "run").exists()


# --------------------------------------------------------------------------------------------------- the command line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("density must be above 0, found 2", "--density must be above 0, found 2"),
        ("prune, t_iter: a dense network", "--prune, --t-iter: a dense network"),
        ("l1_on needs l1 above 0", "--l1-on needs --l1 above 0"),
        ("eta_min must be 0 to alpha = 0.3", "--eta-min must be 0 to --alpha = 0.3"),
        ("2 of 3\n  density 0: density must be", "2 of 3\n  --density 0: --density must be"),
        ("a choice of prune or grow here", "a choice of --prune or --grow here"),
        ("runs/t_iter/x.csv: the data needs care", "runs/t_iter/x.csv: the data needs care"),
        ("the network needs data like 'digits'", "the network needs data like 'digits'"),
        ("--t-iter is an option already", "--t-iter is an option already"),
    ],
)
def test_settings_have_the_names_of_options(text, expected):
    names = ("density", "prune", "grow", "t_iter", "l1", "l1_on", "eta_min", "alpha", "data")
    assert as_options(text, names) == expected
    assert as_options(text, ()) == text


def command(*words):
    try:
        return cli.main(list(words))
    except SystemExit as stop:
        return stop.code


def test_a_run_is_resumed_without_its_network(tmp_path, capsys, monkeypatch):
    words = ("esl-mlp", "--epochs", "1", "--quiet")
    assert command("train", *words, "--hidden", "20,10", "--epsilon", "5", "--out", str(tmp_path / "a")) == 0
    assert snn.load(tmp_path / "a").recipe.hidden == (20, 10)
    assert command("train", "--quiet", *words[:3], "--hidden", "20", "--out", str(tmp_path / "b")) == 0
    assert capsys.readouterr().out == ""
    assert command("train", "esl-mlp", "--out", str(tmp_path / "a")) == 2
    text = f"{tmp_path / 'a'} holds a run already: go on with it by minisnn train --resume {tmp_path / 'a'}, or choose"
    assert text in capsys.readouterr().err
    resume = ("train", "--resume", str(tmp_path / "a"), "--quiet")
    assert command(*resume, "--epochs", "2", "--data", "digits") == 0
    assert snn.load(tmp_path / "a").state.epoch == 2
    for extra, message in (
        (("--epochs", "1"), "--epochs must be at least 2, as many as the run was started with, found 1"),
        (("--data", "event-digits"), "was trained on 'digits' "),
        (("--out", "x"), "it takes no --out"),
        (("--lr", "1"), "unknown argument --lr"),
    ):
        assert command(*resume, *extra) == 2
        assert message in capsys.readouterr().err
    assert command("train") == 2
    assert "expected a NETWORK, one of esl-mlp, lif, sca-vgg16, or --resume RUN" in capsys.readouterr().err


def test_own_data_are_found_again_from_any_folder(tmp_path, capsys, monkeypatch):
    data = snn.load_digits().train
    np.savez(tmp_path / "own.npz", images=np.asarray(data.images[:100]), labels=np.asarray(data.labels[:100]))
    monkeypatch.chdir(tmp_path)
    words = ("--data", "own.npz", "--hidden", "10", "--epochs", "1", "--quiet")
    assert command("train", "esl-mlp", *words, "--out", "run") == 0
    monkeypatch.chdir("/")
    assert snn.load(tmp_path / "run").recipe.data == str(tmp_path / "own.npz")
    assert command("train", "--resume", str(tmp_path / "run"), "--epochs", "2", "--quiet") == 0


def test_quiet(run, tmp_path, capsys):
    np.save(tmp_path / "a.npy", snn.load_digits().test.images[:2])
    sweep = (
        "sweep",
        "esl-mlp",
        "--hidden",
        "20",
        "--epochs",
        "1",
        "--jobs",
        "1",
        "--out",
        str(tmp_path / "sweep"),
    )
    for words in (
        ("predict", str(run.folder), str(tmp_path / "a.npy"), "--out", str(tmp_path / "out.csv")),
        ("evaluate", str(run.folder)),
        sweep,
    ):
        assert command(*words, "--quiet") == 0
        said = capsys.readouterr()
        assert said.out + said.err == ""
    assert (tmp_path / "out.csv").exists()
    assert (tmp_path / "sweep" / "summary.csv").exists()


def test_images_may_be_paths(run, tmp_path):
    images = snn.load_digits().test.images[:3]
    for n, image in enumerate(images):
        np.save(tmp_path / f"{n}.npy", image)
    paths = [tmp_path / "0.npy", str(tmp_path / "1.npy"), tmp_path / "2.npy"]
    np.testing.assert_array_equal(run.predict(paths), run.predict(images))
    np.testing.assert_array_equal(run.scores(str(paths[0])), run.scores(images[:1]))
    np.testing.assert_array_equal(run.trace(paths).input, run.trace(images).input)
    refused(lambda: run.predict(tmp_path / "none.png"), "none.png: there is no such file$")
