"""`minisnn slim`: the network of a run without its masked channels, as a new run."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from data_loaders.common.dataset import DataSet
from data_loaders.common.info import DataInfo
from minisnn.backend import array_module, to_device
from minisnn.networks import describe
from minisnn.networks.compose import Sequential, neuron_caches
from minisnn.networks.stages.base import Arrays
from minisnn.recipes import LIFNet
from minisnn.recipes.images import Images
from minisnn.runs import folder as run_folder
from minisnn.runs import result as run_result
from minisnn.runs import start
from minisnn.runs.run_data import Source
from minisnn.structure.slim import Slimmer
from minisnn.training import loop
from minisnn.training.setup import Setup
from minisnn.training.state import TrainingState

IMAGES = 8  # for comparing the two networks


def slim_run(
    folder: Path,
    out: Path,
    epochs: int = 0,
    lr: float | None = None,
    progress: str | None = None,
    pictures: bool = True,
    data: Source | None = None,
) -> run_result.Result:
    """Remove the masked channels of a run for good, and write the small network to `out` as an ordinary run.

    Its recipe is that of a dense network, which `config.json` describes stage by stage; its checkpoint holds the
    remaining parameters, statistics and moments. epochs: how long the small network is trained further; the learning
    rate schedule starts again, at lr if given. First, both networks see the same images in float64, and their spikes
    must be equal. data: the run's data set, if its recipe names none that can be loaded.
    Returns the result of the small run, and under "before" the counts of the network with its masked channels.
    Raises ValueError for a run without channel masks or, without epochs, one that is not finished; FileExistsError if
    `out` holds a run already. Nothing is left in `out` then.
    """
    run = start.load(folder)
    recipe, state = _checked(run, folder, out, epochs, lr), run.state
    data, setup = run.own_data(data), run.setup
    slimmer = Slimmer(run.plain, setup.shape, state.channels)
    masked = replace(state, params=setup.learner.parameters(state), channels={})
    small = slimmer.state(state)
    check_equal(setup, data, (recipe.as_run(run.plain), masked), (recipe.as_run(slimmer.net), small))
    thin = start.Run(
        _recipe(recipe, run.info, slimmer.net, epochs, lr),
        run.info,
        small,
        data=data,
        handed_over=run.handed_over,
    )
    if epochs:
        thin.state = replace(small, epoch=0, iteration=0, moments=setup.optimizer.init(small.params))
    else:
        thin.log, thin.note = run.log, f"the network of {Path(folder).resolve().name}, before it was slimmed"
    thin.keep(out)
    result = thin.finish(progress, pictures=pictures).result or {}
    before = {
        "test_accuracy": loop.evaluate(setup, state, data.test)[0],
        "parameters": sum(w.size for w in state.params.values()),
        "channels": {key: mask.size for key, mask in state.channels.items()},
        **run_result.costs(setup, recipe.as_run(run.plain), masked, data),
    }
    result |= {"before": before, "channels": {key: int(m.sum()) for key, m in state.channels.items()}}
    run_folder.write_json(out / "result.json", result)
    return result


def _checked(run: start.Run, folder: Path, out: Path, epochs: int, lr: float | None) -> Images:
    """The run's recipe. Raises ValueError and FileExistsError as `slim_run` says."""
    recipe, state = run.recipe, run.state
    if not state.channels or not isinstance(recipe, Images):
        raise ValueError(f"{folder} has no channel masks; runs of `minisnn train sca-vgg16` have them")
    if not epochs and state.epoch < recipe.epochs:
        raise ValueError(
            f"{folder}: epoch {state.epoch} of {recipe.epochs}: resume the run first, or give epochs"
        )
    if not epochs and lr is not None:
        raise ValueError(f"lr = {lr} is for further training: it needs epochs")
    if (out / "config.json").exists():
        raise FileExistsError(f"{out} holds a run already: choose another folder")
    return recipe


def _recipe(recipe: Images, info: DataInfo, net: Sequential, epochs: int, lr: float | None) -> LIFNet:
    """The recipe of a dense network: the shared settings of the run's recipe, and the small network as text."""
    shared = {f.name: getattr(recipe, f.name) for f in fields(Images)}
    paper = recipe.build(info)[1]
    shared |= {"net": describe.to_text(net), "width": 1.0, "paper": paper}
    if epochs:
        shared |= {"epochs": epochs, "lr": recipe.lr if lr is None else lr}
    return LIFNet(**shared)


def check_equal(
    setup: Setup,
    data: DataSet,
    masked: tuple[Sequential, TrainingState],
    small: tuple[Sequential, TrainingState],
) -> None:
    """Raise RuntimeError unless both networks have, on validation images in float64, the same outputs and the same
    number of spikes in each layer, step and image.
    """
    x = setup.encode(to_device(data.validation.images[:IMAGES], setup.device)).astype(float)
    seen = []
    for net, state in (masked, small):
        params, buffers = (_float64(arrays) for arrays in (state.params, state.buffers))
        y, cache, _ = net.forward(params, buffers, x, train=False)
        spikes = {
            name: c.spikes.reshape(*c.spikes.shape[:2], -1).sum(2) for name, c in neuron_caches(net, cache)
        }
        seen.append((y, spikes))
    (y, spikes), (z, fewer) = seen
    xp = array_module(y)
    off = float(abs(y - z).max() / xp.maximum(abs(y).max(), 1))
    differ = [name for name in spikes if (spikes[name] != fewer[name]).any()]
    if differ or not off < 1e-9:
        raise RuntimeError(
            f"the small network does not compute what the masked one does: outputs differ by {off:.1e}, "
            f"spikes in {', '.join(differ) or 'no layer'}"
        )


def _float64(arrays: Arrays) -> Arrays:
    return {key: a.astype(np.float64) for key, a in arrays.items()}
