"""`minisnn slim`: a run's network without its masked channels, as a run of its own."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from minisnn import describe, run_folder, run_result, runs, training
from minisnn.backend import array_module, to_device
from minisnn.compose import Sequential, neuron_caches
from minisnn.data.dataset import DataSet
from minisnn.data.info import DataInfo
from minisnn.recipes import LIFNet
from minisnn.recipes.images import Images
from minisnn.run_data import Source
from minisnn.stages import Arrays
from minisnn.state import TrainingState
from minisnn.structure.slim import Slimmer

IMAGES = 8  # on which the two networks are compared


def slim_run(
    folder: Path,
    out: Path,
    epochs: int = 0,
    lr: float | None = None,
    progress: str | None = None,
    pictures: bool = True,
    data: Source | None = None,
) -> run_result.Result:
    """Remove a run's masked channels for good, and leave the small network in `out`, an ordinary run.

    Its recipe is that of a dense network, which `config.json` describes stage by stage; its checkpoint holds the cut
    parameters, statistics and moments. epochs: how many the small network trains on, with a learning rate that starts
    anew, at lr if given. Both networks see the same images first, in float64: their spikes must be equal.
    data: the run's data set, where its recipe names none that can be loaded.
    Returns the small run's result, and under "before" the counts of the network with its masked channels.
    Raises ValueError for a run without channel masks or, without epochs, one that is not finished; FileExistsError if
    `out` holds a run already. Nothing is left in `out` then.
    """
    run = runs.load(folder)
    recipe, state = run.recipe, run.state
    if not state.channels or not isinstance(recipe, Images):
        raise ValueError(f"{folder}: there are no channel masks; a run of `minisnn train sca-vgg16` has them")
    if not epochs and state.epoch < recipe.epochs:
        raise ValueError(
            f"{folder}: epoch {state.epoch} of {recipe.epochs}: resume the run first, or give epochs"
        )
    if not epochs and lr is not None:
        raise ValueError(f"lr = {lr} is for training on: it needs epochs")
    if (out / "config.json").exists():
        raise FileExistsError(f"{out} holds a run already: choose another folder")
    data, setup = run.own_data(data), run.setup
    slimmer = Slimmer(run.plain, setup.shape, state.channels)
    masked = replace(state, params=setup.learner.parameters(state), channels={})
    small = slimmer.state(state)
    check_equal(setup, data, (recipe.as_run(run.plain), masked), (recipe.as_run(slimmer.net), small))
    thin = runs.Run(
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
        "test_accuracy": training.evaluate(setup, state, data.test)[0],
        "parameters": sum(w.size for w in state.params.values()),
        "channels": {key: mask.size for key, mask in state.channels.items()},
        **run_result.costs(setup, recipe.as_run(run.plain), masked, data),
    }
    result |= {"before": before, "channels": {key: int(m.sum()) for key, m in state.channels.items()}}
    run_folder.write_json(out / "result.json", result)
    return result


def _recipe(recipe: Images, info: DataInfo, net: Sequential, epochs: int, lr: float | None) -> LIFNet:
    """A dense network's recipe: what the run's has in common with it, and the small network as text."""
    shared = {f.name: getattr(recipe, f.name) for f in fields(Images)}
    paper = recipe.build(info)[1]
    shared |= {"net": describe.to_text(net), "width": 1.0, "paper": paper}
    if epochs:
        shared |= {"epochs": epochs, "lr": recipe.lr if lr is None else lr}
    return LIFNet(**shared)


def check_equal(
    setup: training.Setup,
    data: DataSet,
    masked: tuple[Sequential, TrainingState],
    small: tuple[Sequential, TrainingState],
) -> None:
    """Raise RuntimeError unless both networks give the same outputs in float64 on validation images, and equally many
    spikes in each layer, step and image.
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
