"""Train a network, load it from its folder, or go on with its training: each returns a `Run`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from data_loaders.common.dataset import DataSet
from data_loaders.common.info import DataInfo
from minisnn.arguments import check, one_of, path, whole
from minisnn.backend import to_device
from minisnn.lookup import to_json
from minisnn.recipes import DEVICES, RECIPES, Recipe, check_names, make, recipe_class
from minisnn.runs import folder as run_folder
from minisnn.runs.result import Result
from minisnn.runs.run import Run, check_progress
from minisnn.runs.run_data import Source, absolute, load_data
from minisnn.training import checkpoint, loop
from minisnn.training.state import TrainingState

__all__ = ["Recipe", "Result", "Run", "Source", "load", "resume", "train"]


def train(
    kind: str | Recipe,
    data: Source | None = None,
    out: str | PathLike[str] | None = None,
    progress: str | None = None,
    test: bool = True,
    pictures: bool = True,
    **settings: Any,
) -> Run:
    """Train a network of the papers, look at the test set once, and leave everything in the folder `out`, if given.

    kind: "esl-mlp", "lif" or "sca-vgg16", as for `minisnn train`, or "module:name" of your own class; or a recipe.
    data: a name, a path, `module:name` or a DataSet; None is the digits, or what the recipe names. settings: fields of
    the recipe that differ from its defaults for these data. progress, test, pictures: see `Run.finish`. Raises
    ValueError for invalid settings, FileExistsError if the folder holds a run already, and MemoryError for a network
    that is too large.
    """
    recipe, source = _asked_for(kind, data, settings)
    check_progress(progress)
    folder = None if out is None else path("out", out)
    with _memory(recipe):
        found = load_data(recipe, source)
        if not isinstance(source, DataSet):
            recipe = absolute(recipe)
        run = Run(recipe, found.info, TrainingState({}), data=found, handed_over=isinstance(data, DataSet))
        run.state = loop.start(run.setup, recipe.seed)
        if folder is not None:
            run.keep(folder)
        return run.finish(progress, test, pictures)


def _asked_for(
    kind: str | Recipe, data: Source | None, settings: dict[str, Any]
) -> tuple[Recipe, str | DataSet | None]:
    """The recipe, and where its data come from. Raises ValueError for what `train` cannot understand."""
    if not (data is None or isinstance(data, (str, PathLike, DataSet))):
        kind_of = type(data).__name__
        raise ValueError(
            f"data must be a name, a path or a DataSet, found {kind_of}: DataSet.from_arrays(images, labels) makes one"
        )
    source = data if data is None or isinstance(data, DataSet) else str(data)
    if isinstance(kind, str):
        check_names(kind, settings, inspect.signature(train).parameters)
        return make(kind, "digits" if source is None else source, **settings), source
    if not isinstance(kind, Recipe):
        hint = f": write {kind.__name__}()" if isinstance(kind, type) else ""
        names = ", ".join(RECIPES)
        raise ValueError(f"kind must be one of {names}, or a recipe such as LIFNet(), found {kind!r}{hint}")
    named: dict[str, Any] = {} if source is None else {"data": getattr(source, "name", source)}
    return replace(kind, **named, **settings), source


TOO_LARGE = ("array is too big", "Maximum allowed dimension exceeded", "too large to convert")
"""How NumPy and Python name a size that no machine has; of one that this machine lacks they raise MemoryError."""


@contextmanager
def _memory(recipe: Recipe) -> Iterator[None]:
    """MemoryError with advice, for one without, and for the other errors that a size too large ends in."""
    try:
        yield
    except (MemoryError, ValueError, OverflowError) as error:
        if not isinstance(error, MemoryError) and not any(words in str(error) for words in TOO_LARGE):
            raise
        what = str(error).rstrip(".") or "there is no more to be had"
        *some, last = (n for n in ("hidden", "net", "width", "batch_size", "T") if hasattr(recipe, n))
        raise MemoryError(f"out of memory: {what}; choose a smaller {', '.join(some)} or {last}") from error


def load(folder: str | PathLike[str], device: str | None = None, **own: Any) -> Run:
    """The run in a folder, as of its last checkpoint. The data set is not needed.

    device: "cpu" or "gpu" in place of the one that it was trained on. A recipe's class, loss and network of your own
    are imported; rules, learners, optimisers and surrogates are not: to read a run they are not needed. own: these, if
    you hand them over. Raises FileNotFoundError if there is no run, ValueError for files that are damaged or do not
    belong together.
    """
    return _load(path("folder", folder), device, own, reads_only=True)


def _load(folder: Path, device: str | None, own: dict[str, Any], reads_only: bool) -> Run:
    if device is not None:
        one_of("device", device, DEVICES)
    config = run_folder.read_config(folder)
    try:
        here = {"device": device} if device else {}
        cls = recipe_class(config["train"])
        stored = dict(config["recipe"])
        if reads_only:
            stored |= {name: _name(stored[name]) for name in cls.of_training() if name in stored}
        recipe = cls.from_json(stored | here | _own(config["recipe"], own))
        info = DataInfo.from_json(config["data"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder / 'config.json'}: not the configuration of a run ({error})") from error
    state = checkpoint.load(folder / "checkpoint.npz")
    for group in checkpoint.GROUPS:
        arrays = getattr(state, group)
        arrays |= {key: to_device(a, recipe.device) for key, a in arrays.items()}
    state.moments = {k: tuple(to_device(a, recipe.device) for a in m) for k, m in state.moments.items()}
    log = run_folder.read_log(folder)[: state.epoch]
    if len(log) < state.epoch:
        raise ValueError(f"{folder / 'log.csv'}: found {len(log)} rows, expected {state.epoch}")
    return Run(
        recipe, info, state, folder, log,
        result=run_folder.read_result(folder),
        note=str(config.get("note", "")),
        handed_over=bool(config.get("handed_over", False)),
        reads_only=reads_only,
    )  # fmt: skip


def _name(value: Any) -> Any:
    """In place of an instance of a class of yours its name, which need not be imported."""
    own = isinstance(value, dict) and not str(value.get("is", "minisnn.")).startswith("minisnn.")
    return value["is"] if own else value


def _own(recipe: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Yours in place of its name. ValueError unless it is what the run was started with."""
    for name, thing in own.items():
        check(
            name, to_json(name, thing), to_json(name, thing) == recipe[name], f"{recipe[name]}, as in the run"
        )
    return own


def resume(
    folder: str | PathLike[str],
    data: Source | None = None,
    epochs: int | None = None,
    progress: str | None = None,
    test: bool = True,
    pictures: bool = True,
    kind: str | None = None,
    **own: Any,
) -> Run:
    """Go on with the run in a folder from its last checkpoint: the result is that of a run never interrupted.

    data: the data set that the run was trained on, if it cannot be loaded, or lies elsewhere now. epochs: how many it
    has in all from now on, at least as many as before; the learning rate goes on where the longer schedule stands.
    progress, test, pictures: see `Run.finish`. kind: a run of another kind is refused. own: see `load`.
    Raises ValueError, and changes nothing, for data that are not those that the run was trained on; else as `load`.
    """
    check_progress(progress)
    run = _load(path("folder", folder), None, own, reads_only=False)
    assert run.folder
    if kind not in (None, run.kind):
        raise ValueError(
            f"{folder} holds a run of {run.kind}, not of {kind}: minisnn train {run.kind} --resume {folder}"
        )
    run.own_data(data)
    if epochs is not None:
        least = run.recipe.epochs
        check(
            "epochs",
            epochs,
            whole("epochs", epochs) >= least,
            f"at least {least}, as many as the run was started with",
        )
        run.recipe = replace(run.recipe, epochs=epochs)
    with _memory(run.recipe):
        run.setup  # noqa: B018  builds the network: what cannot be built must not change the folder
        if run.state.epoch < run.recipe.epochs:
            (run.folder / "result.json").unlink(missing_ok=True)
        run_folder.write_config(run.folder, run.config())
        return run.finish(progress, test, pictures)
