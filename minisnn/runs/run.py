"""A run: a network that is or was trained, and all that one can do with it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from data_loaders.common.dataset import DataSet
from data_loaders.common.info import DataInfo
from minisnn.arguments import Spelled, check, one_of
from minisnn.backend import to_device, to_host
from minisnn.faster.blocks import keep_memory
from minisnn.lookup import name_of
from minisnn.networks.compose import Sequential
from minisnn.notices import warn
from minisnn.recipes import RECIPES, Recipe, kind_of
from minisnn.runs import folder as run_folder
from minisnn.runs import prediction
from minisnn.runs import result as run_result
from minisnn.runs.image_files import as_images
from minisnn.runs.result import Result
from minisnn.runs.run_data import Source, check_fits, load_other, load_own
from minisnn.training import checkpoint, loop
from minisnn.training.loop import Row
from minisnn.training.setup import Setup
from minisnn.training.state import TrainingState

if TYPE_CHECKING:  # takes longest to import, and predictions need no pictures
    from matplotlib.figure import Figure

    from minisnn.runs import pictures as run_pictures

SPLITS = ("train", "validation", "test")


class Evaluation(NamedTuple):
    """How good a network is on some images."""

    accuracy: float  # percent
    loss: float  # mean over images
    n: int  # images


def check_progress(progress: object) -> None:
    """Raise ValueError unless it is the name of a progress bar, or None."""
    check("progress", repr(progress), progress is None or isinstance(progress, str),
          'the name of a progress bar, such as "training", or None')  # fmt: skip


@dataclass(eq=False)
class Run(Spelled):
    """A network and everything that is known of it. `train`, `load` and `resume` make one.

    Weights and images are on the recipe's device, what methods return is on the host. `setup` and `plain` follow
    from recipe and data; assign to both before training to have a network of your own.
    """

    recipe: Recipe
    info: DataInfo  # what the network needs to know of its data: shape, classes, normalisation, fingerprint
    state: TrainingState
    folder: Path | None = None  # None: nothing is kept on disk
    log: list[Row] = field(default_factory=list)  # a row for each epoch
    result: Result | None = None  # None as long as it is not finished
    note: str = ""  # what is needed to read the log rightly
    data: DataSet | None = None  # the data set itself, where it is at hand
    handed_over: bool = False  # data were made in Python: the recipe does not say how to get them
    reads_only: bool = False  # what is your own in the recipe is not imported: it is needed to train only

    _has_warned = False  # that it is not finished

    def __repr__(self) -> str:
        reached = f"epoch {self.state.epoch} of {self.recipe.epochs}"
        where = "in memory" if self.folder is None else f"in {self.folder}"
        return f"<Run {where}: {self.kind} on {self.info.name}, {reached}>"

    @property
    def kind(self) -> str:
        """The name of its kind of recipe, as `minisnn train` has it; `module:Class` of your own.

        Raises ValueError for a class defined in a function.
        """
        return kind_of(self.recipe)

    @cached_property
    def setup(self) -> Setup:
        """Everything that training and evaluation need."""
        return self._readable.setup(self.info)

    @cached_property
    def plain(self) -> Sequential:
        """The network as one reads it; `setup.net` is its fast twin, with the same parameters, unless fast=False."""
        return self._readable.plain(self.info)

    @property
    def _readable(self) -> Recipe:
        return self.recipe.without_own() if self.reads_only else self.recipe

    @property
    def classes(self) -> np.ndarray:
        """[K]: names of the classes where the data have some, else 0 to K - 1."""
        names = self.info.class_names
        return np.array(names) if names else np.arange(self.info.n_classes)

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """Copies of all parameters by name: weights, biases, gamma and beta of batch norm."""
        return {key: np.array(to_host(w)) for key, w in self.state.params.items()}

    @property
    def masks(self) -> dict[str, np.ndarray]:
        """Copies of all masks, bool: of connections by the weight's name, of channels [C] by that of the neurons."""
        masks = self.state.masks | self.state.channels
        return {key: np.array(to_host(mask)) for key, mask in masks.items()}

    def predict(self, images: Any) -> np.ndarray:
        """The class of each image: [B], elements of `classes`; -1, or "none", where no neuron fires.

        images: as they lie on disk, see `prediction.as_batch`; a single image is a batch of one. Or the path of an
        image file, or a list of paths, see `minisnn predict --help`. Warns, once, if the run is not finished.
        Raises ValueError for images of another shape or range, DataError for a file that cannot be read.
        """
        found = self._predicted(images).classes
        names = self.info.class_names
        if not names:
            return found
        if isinstance(names[0], str):
            return np.array([*names, prediction.NONE])[found]  # -1 is the last
        return (
            np.array([*names, prediction.NONE], object)[found]
            if -1 in names
            else np.array([*names, -1])[found]
        )

    def scores(self, images: Any) -> np.ndarray:
        """The score of each class: [B, K], larger is better.

        The output, averaged over time; for first-spike networks minus the time t = ln z of the output neuron's spike,
        -inf if it never fires. images and errors: as for `predict`.
        """
        return self._predicted(images).scores

    def trace(self, images: Any) -> prediction.Trace:
        """Everything that happens inside: spikes, potentials and currents of each layer by its name.

        Arrays are [T, B, ...]; first-spike layers have the times z [B, N] of their inputs and [B, M] of their spikes.
        Stages run one by one, without what masks take away. images and errors: as for `predict`.
        """
        x = self.setup.encode(to_device(as_images(images, self.info), self.recipe.device))
        params = self.setup.learner.parameters(self.state)
        return prediction.trace(self.recipe.as_run(self.plain), params, self.state.buffers, x)

    def evaluate(self, data: Source | None = None, split: str = "test") -> Evaluation:
        """Accuracy in percent, mean loss and number of images of a split of a data set.

        data: a name, a path or a DataSet; None is the run's own, which must be what it was trained on.
        split: "train", "validation" or "test". Raises ValueError for data of another shape or other classes.
        """
        one_of("split", split, SPLITS)
        self._warn_unless_finished()
        found, setup = self.readable(data), self.setup
        if found.info.max_value != self.info.max_value:
            setup = self._readable.setup(
                replace(self.info, max_value=found.info.max_value)
            )  # its own max_value
        part = getattr(found, split)
        return Evaluation(*loop.evaluate(setup, self.state, part), len(part.labels))

    def plot(self, name: str, images: Any = None) -> Figure:
        """A picture as a matplotlib Figure. name: one of `runs.pictures.PICTURES`.

        images: for "raster" and "membrane", which draw the first of them; None is the first of the test set.
        Raises ValueError for a name that is not known, or a picture of something that the run does not have.
        """
        from minisnn.runs import pictures as run_pictures

        one_of("name", name, run_pictures.PICTURES)
        traced = None
        if name in run_pictures.OF_A_SAMPLE:
            traced = self.trace(self.own_data().test.images[:1] if images is None else images)
        return run_pictures.picture(name, self._shown(traced))

    def own_data(self, data: Source | None = None) -> DataSet:
        """The data set that the run was trained on, loaded if it is not at hand.

        data: in place of what the recipe names. Raises ValueError for data that are not the same.
        """
        if data is not None or self.data is None:
            self.data = load_own(self.recipe, self.info, data, self.handed_over, self._name())
        return self.data

    def readable(self, data: Source | None = None) -> DataSet:
        """Data that the network can read: by a name or path, or a DataSet; None is the run's own.

        Raises ValueError for data of another shape or other classes.
        """
        if data is None:
            return self.own_data()
        found = load_other(self.recipe, data)
        check_fits(self.info, found.info, self._name())
        return found

    def finish(self, progress: str | None = None, test: bool = True, pictures: bool = True) -> Run:
        """Train from where the run stands to its last epoch, look at the test set once, and keep everything.

        progress: the name of a progress bar; None shows none. test: False leaves the test set alone, to compare
        settings on validation data. pictures: False draws none. Returns the run itself. Raises ValueError
        for a progress that is no text.
        """
        check_progress(progress)
        data, folder = self.own_data(), self.folder
        if self.recipe.fast:
            keep_memory()

        def after_epoch(row: Row) -> None:
            counted = run_result.remaining_connections(self.plain, self.setup, self.state)
            self.log.append(row | {"density": counted.density, "connections": counted.active})
            if folder:
                run_folder.write_log(folder, self.log)
                checkpoint.save(folder / "checkpoint.npz", self.state)

        try:
            loop.fit(self.setup, self.state, data, after_epoch, progress)
        except loop.Diverged as error:
            error.checkpoint = folder / "checkpoint.npz" if folder else None
            raise
        except KeyboardInterrupt as error:
            if folder:
                error.add_note(f"go on with: snn.resume({str(folder)!r})")
            raise
        self.result = run_result.result(self.recipe, self.setup, self.plain, self.state, data, self.log, test)
        if folder:
            run_folder.write_json(folder / "result.json", self.result)
            if pictures:
                from minisnn.runs import pictures as run_pictures

                run_pictures.draw_all(folder, self._shown())
        return self

    def keep(self, folder: Path) -> None:
        """A folder for a run that has none. Raises FileExistsError if it holds a run already."""
        run_folder.create(folder, self.config(), self.state, self.log)
        self.folder = folder

    def config(self) -> dict[str, Any]:
        """What config.json says of the run."""
        known = self.kind in RECIPES
        return {
            "train": self.kind if known else name_of("the recipe's class", type(self.recipe)),
            "recipe": self.recipe.to_json(),
            "data": self.info.to_json(),
            "handed_over": self.handed_over,
            "note": self.note,
        }

    def _predicted(self, images: Any) -> prediction.Prediction:
        self._warn_unless_finished()
        return prediction.predict(self.setup, self.state, as_images(images, self.info))

    def _warn_unless_finished(self) -> None:
        """Once for each run."""
        epoch, epochs = self.state.epoch, self.recipe.epochs
        if epoch < epochs and not self._has_warned:
            warn(
                f"{self._name()} is not finished: it was interrupted or has diverged after epoch {epoch} of {epochs}, "
                "and its network is the one of that epoch"
            )
        self._has_warned = True

    def _name(self) -> str:
        return str(self.folder or "this run")

    def _shown(self, traced: prediction.Trace | None = None) -> run_pictures.Shown:
        from minisnn.runs.pictures import Shown

        title = f"{self.info.name}, seed {self.recipe.seed}"
        return Shown(self.log, self.state, self.setup, self.info, traced, title, self.note)
