"""What a finished run draws and says: pictures by name, the page of `minisnn inspect`, densities, own networks."""

import json
import warnings
from dataclasses import dataclass, replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from random_nets import shallow
from slow import slow_but

from minisnn import load_digits
from minisnn.networks import architectures
from minisnn.networks.compose import Sequential
from minisnn.networks.describe import to_text
from minisnn.networks.stages.base import Plain
from minisnn.networks.stages.lif import LIF
from minisnn.networks.stages.weights import Linear
from minisnn.recipes import ESL_MLP_DEFAULTS, LIF_DEFAULTS, SCA_VGG16_DEFAULTS
from minisnn.runs import result as run_result
from minisnn.runs import sample_page, start
from minisnn.runs import slim as slim_run
from minisnn.runs.pictures import OF_A_SAMPLE, PICTURES, draw_potentials
from minisnn.training import loop
from minisnn.training.state import TrainingState

CONV = replace(LIF_DEFAULTS["digits"], net="6C3-AP2-8C3-AP2-10FC", T=3, epochs=1, batch_size=100, lr=0.01)
SHALLOW = shallow(architectures.pre_resnet18((8, 8, 1), 10, 2, width=0.05), (1, 3))
RECIPES = {
    "esl-mlp": replace(ESL_MLP_DEFAULTS["digits"], hidden=(30,), epsilon=4.0, epochs=1, batch_size=100),
    "conv": CONV,
    "sparse mlp": replace(CONV, net="40FC-10FC", density=0.3),
    "sca": replace(SCA_VGG16_DEFAULTS["digits"], net="6C3-MP2-8C3-MP2-10FC", epochs=1, batch_size=100),
    "events": replace(LIF_DEFAULTS["event-digits"], net="4C3-AP4-10FC", epochs=1, batch_size=100),
    "residual": replace(CONV, net=to_text(SHALLOW), T=2),
}
MORE = {"esl-mlp": {"densities", "turnover"}, "sparse mlp": {"densities", "turnover"}, "sca": {"channels"}}
pytestmark = [
    pytest.mark.pictures,
    pytest.mark.filterwarnings(r"ignore:epoch \d+. (dead|saturated) layer"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A function: the folder of a run, trained once."""
    there = {}

    def get(name):
        if name not in there:
            there[name] = tmp_path_factory.mktemp("runs") / name.replace(" ", "-")
            start.train(RECIPES[name], out=there[name])
        return there[name]

    return get


def has(name):
    return {"learning_curves", "firing_rates", "receptive_fields"} | MORE.get(name, set())


@pytest.mark.parametrize("name", slow_but(["esl-mlp", "sparse mlp", "sca"], RECIPES))
def test_pictures_by_name(trained, name):
    folder = trained(name)
    assert {path.stem for path in folder.glob("*.png")} == has(name)
    run = start.load(folder)
    for picture in PICTURES:
        if picture in has(name) | set(OF_A_SAMPLE):
            figure = run.plot(picture)
            assert isinstance(figure, Figure)
            assert figure.axes
        else:
            with pytest.raises(
                ValueError, match=r"name must be a picture of something that the run has: .*raster"
            ):
                run.plot(picture)
    with pytest.raises(ValueError, match=f"name must be one of {', '.join(PICTURES)}, found 'rasters'"):
        run.plot("rasters")


def texts(figure):
    """Every word in a figure."""
    return " | ".join(text.get_text() for text in figure.findobj(lambda x: hasattr(x, "get_text")))


def test_a_picture_of_given_images(trained):
    run = start.load(trained("conv"))
    spikes = run.trace(load_digits().test.images[5:6])["lif1"].spikes[:, 0].reshape(3, -1)
    line = run.plot("raster", load_digits().test.images[5:9]).axes[0].lines[-1]
    marks = np.rint(line.get_xydata())  # the many neurons of a step are spread over its width
    np.testing.assert_array_equal(sorted(marks.tolist()), np.argwhere(spikes) + np.array([1, 0]))


def test_firing_rates_say_what_they_count(trained):
    assert "spikes per neuron and image" in texts(start.load(trained("esl-mlp")).plot("firing_rates"))
    assert "spikes per neuron and step" in texts(start.load(trained("conv")).plot("firing_rates"))


def test_a_slim_run_says_whose_curves_it_shows(trained, tmp_path):
    slim_run.slim_run(trained("sca"), tmp_path / "slim")
    for run in (start.load(tmp_path / "slim"), start.resume(tmp_path / "slim")):
        assert "the network of sca, before it was slimmed" in texts(run.plot("learning_curves"))
    slim_run.slim_run(trained("sca"), tmp_path / "on", epochs=1, pictures=False)
    assert "slimmed" not in texts(start.load(tmp_path / "on").plot("learning_curves"))


def overlap(figure):
    """Pairs of axes with what belongs to them, titles and legends, that lie on one another. Of a drawn figure."""
    boxes = [(ax.get_title(), ax.get_tightbbox()) for ax in figure.axes if ax.axison and ax.get_title()]
    return [
        (a, b)
        for k, (a, x) in enumerate(boxes)
        for b, y in boxes[:k]
        if min(x.x1, y.x1) - max(x.x0, y.x0) > 1 and min(x.y1, y.y1) - max(x.y0, y.y0) > 1
    ]


@pytest.mark.parametrize("name", slow_but(["esl-mlp", "sca"], RECIPES))
def test_the_page_of_a_sample(trained, tmp_path, name):
    run = start.load(trained(name))
    figure, text = sample_page.inspect(run, 2, tmp_path / "page.png")[:2]
    assert (tmp_path / "page.png").stat().st_size > 10_000
    assert text == figure.get_suptitle()
    titles = [ax.get_title() for ax in figure.axes]
    layers = list(run.trace(run.own_data().test.images[:1]))
    assert "weights of the first layer" in titles
    if name == "esl-mlp":
        assert {f"{key}: spike times" for key in ("input", *layers)} <= set(titles)
        assert "output: what made the first one fire" in titles
    else:
        assert sum(title.endswith(": spikes") for title in titles) == len(layers)
        assert sum(title.endswith(": potentials") for title in titles) == min(4, len(layers))
        maps = sum(title.endswith(": channel maps") for title in titles)
        assert maps == {"conv": 2, "sparse mlp": 0, "sca": 2, "events": 1, "residual": 4}[name]
    assert overlap(figure) == []


@pytest.mark.parametrize(
    ("name", "key"), [("esl-mlp", "hidden.weight"), *slow_but([], [("conv", "conv1.weight")])]
)
def test_the_page_of_a_silent_network(trained, name, key):
    run = start.load(trained(name))
    run.state.params[key] *= 0
    if name == "conv":
        run.state.params["bn1.beta"] -= 100
    figure = sample_page.inspect(run, 0).figure
    figure.draw_without_rendering()
    assert overlap(figure) == []


@pytest.mark.slow
def test_the_page_of_another_white(trained):
    from test_run_data import changed

    run = start.load(trained("conv"))
    brighter = changed(load_digits(), images=lambda x: x * np.uint8(15), max_value=240)
    (one, said), (other, too) = (
        sample_page.inspect(run, 4)[:2],
        sample_page.inspect(run, 4, data=brighter)[:2],
    )
    assert said == too
    np.testing.assert_allclose(one.axes[0].images[0].get_array(), other.axes[0].images[0].get_array())


def test_potentials_reach_the_threshold_when_neurons_fire(trained):
    """ESL Eq. 4, V(z) = sum of w max(0, 1 - z_i / z), and the time of Eq. 5 are of one mind."""
    run = start.load(trained("esl-mlp"))
    layer = run.trace(load_digits().test.images[:1])["output"]
    ax = draw_potentials(Figure().subplots(), layer, np.arange(10))
    curves = [line for line in ax.lines if len(line.get_xdata()) > 2]
    ends = sorted(line.get_xdata()[-1] for line in curves)
    fired = np.isfinite(layer.z_out[0])
    np.testing.assert_allclose(ends[: fired.sum()], sorted(np.log(layer.z_out[0][fired])), atol=0.1)
    for line in curves:
        assert (line.get_ydata()[:-1] < 1.001).all()


# --- what a result says


def test_a_density_that_was_not_reached_is_said(tmp_path):
    recipe = replace(CONV, net="40FC-10FC", density=0.1, learner="grad-r", learner_options={"alpha": 1e-3})
    with pytest.warns(
        UserWarning, match=r"the density asked for, 0.1, was not reached: GradR ended at 0\.\d+"
    ):
        run = start.train(recipe, out=tmp_path / "run", pictures=False)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result == json.loads(json.dumps(run.result))
    assert "was not reached" in result["missed_density"]
    assert start.train(replace(recipe, learner="evolve", learner_options={})).result["missed_density"] is None


@dataclass(frozen=True)
class PLIF(Plain):
    """A stage that nobody knows: neurons whose leak is a parameter, without a gradient of its own."""

    def init(self, rng, shape):
        return {"leak": np.full((1, *shape), 0.5)}, {}  # two axes: a weight, whose cost nobody knows

    def forward(self, params, buffers, x, train):
        return LIF().forward({}, buffers, x, train)

    def backward(self, params, dy, cache, need_dx=True):
        return LIF().backward({}, dy, cache, need_dx)[0], {"leak": 0 * params["leak"]}


def test_a_network_of_ones_own_is_trained_to_its_result(tmp_path):
    """It used to die at the very end, with a KeyError, and to leave nothing."""
    data = load_digits()
    run = start.Run(replace(CONV, net="20FC-10FC"), data.info, TrainingState({}), data=data)
    stages = [(name, PLIF() if isinstance(stage, LIF) else stage) for name, stage in run.plain.stages]
    run.plain = Sequential(tuple(stages))
    run.setup = replace(run.setup, net=run.plain)
    run.state = loop.start(run.setup, 0)
    run.keep(tmp_path / "run")
    with pytest.warns(UserWarning, match="the costs of this network could not be measured .*PLIF"):
        run.finish()
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["test_accuracy"] > 15
    assert {name: result[name] for name in run_result.COSTS} == dict.fromkeys(run_result.COSTS)
    assert (tmp_path / "run" / "learning_curves.png").exists()
    assert run.trace(data.test.images[:2])["lif1"].spikes.shape == (3, 2, 20)
    assert (run.predict(data.test.images) == data.test.labels).mean() * 100 == pytest.approx(
        result["test_accuracy"]
    )


def test_a_network_that_the_recipe_does_not_know_at_all(tmp_path):
    """Only the setup was changed: costs are those of another network, and cannot be counted."""
    data = load_digits()
    run = start.Run(replace(CONV, net="20FC-10FC"), data.info, TrainingState({}), data=data)
    names = {"fc1": "first", "fc2": "last"}
    net = Sequential(tuple((names.get(name, name), stage) for name, stage in run.plain.stages))
    assert any(isinstance(stage, Linear) for _, stage in net.stages)
    run.setup = replace(run.setup, net=net)
    run.state = loop.start(run.setup, 0)
    with pytest.warns(UserWarning, match=r"costs of this network could not be measured .KeyError: 'weight'"):
        assert run.finish().result["synops"] is None


def test_nothing_is_warned_of_in_a_healthy_run():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert start.train(CONV).result["synops"] > 0
