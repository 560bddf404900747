"""The data of a run: loaded, compared with what it was trained on, and described."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike

from data_loaders import catalogue
from data_loaders.common.dataset import DataSet
from data_loaders.common.info import DataInfo
from minisnn.recipes import Recipe

Source = str | PathLike[str] | DataSet


def load_data(recipe: Recipe, source: Source | None = None) -> DataSet:
    """The data that a recipe asks for: the first `images` of what it names, or of `source` in its place."""
    if source is None:
        return recipe.load()
    if isinstance(source, DataSet):
        return recipe.part(source)
    return replace(recipe, data=str(source)).load()


def absolute(recipe: Recipe) -> Recipe:
    """The recipe with the path of your own data made absolute, so that a run can be resumed from any folder."""
    own = catalogue.own_path(recipe.data)
    return recipe if own is None else replace(recipe, data=str(own.absolute()))


def load_other(recipe: Recipe, source: Source) -> DataSet:
    """Data by a name or path, whole, as frames like the recipe's; a DataSet is returned as it is."""
    return load_data(recipe.whole(), source)


def load_own(recipe: Recipe, info: DataInfo, source: Source | None, handed_over: bool, name: str) -> DataSet:
    """The data set that a run was trained on. source: in place of what the recipe names.

    handed_over: they were made in Python, and there is nothing to load. Raises ValueError in that case, and for data
    that are not the same.
    """
    if source is None and handed_over:
        raise ValueError(
            f"{name} was trained on {said(info)}, a DataSet made in Python: "
            f"hand it over, as in snn.resume({name!r}, data=...)"
        )
    found = load_data(recipe, source)
    if described(found.info) != described(info):
        raise ValueError(f"{name} was trained on {said(info)}, found {said(found.info)}")
    return found


def described(info: DataInfo) -> tuple[object, ...]:
    """What makes data the same."""
    return info.fingerprint, info.shape, info.frames, info.n_classes


def check_fits(mine: DataInfo, info: DataInfo, name: str) -> None:
    """Raise ValueError unless a network can read other data than its own, and means the same by their classes."""
    if (mine.shape, mine.frames, mine.n_classes) != (info.shape, info.frames, info.n_classes):
        recounted = mine.shape == info.shape and mine.is_sequence and mine.frames != info.frames
        count = f": load them with T={mine.frames}, or give their name" if recounted else ""
        raise ValueError(f"{name} needs data like {said(mine)}, found {said(info)}{count}")
    ours, theirs = (", ".join(map(str, names)) for names in (mine.class_names, info.class_names))
    if ours and theirs and ours != theirs:
        raise ValueError(f"{name} tells the classes {ours} apart, {info.name!r} has {theirs}")


def said(info: DataInfo) -> str:
    """Data as text."""
    shape = "x".join(map(str, (*([info.frames] if info.is_sequence else []), *info.shape)))
    return f"{info.name!r} (fingerprint {info.fingerprint}, {shape}, {info.n_classes} classes)"
