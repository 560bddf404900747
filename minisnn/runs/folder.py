"""The files of a run's folder: config.json, log.csv, checkpoint.npz, result.json. Each appears whole or not at all."""

from __future__ import annotations

import csv
import json
import platform
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

import minisnn
from data_loaders.common.files import write_atomically
from minisnn.faster.blocks import threads
from minisnn.training import checkpoint
from minisnn.training.loop import Row
from minisnn.training.state import TrainingState


def environment() -> dict[str, Any]:
    """What a result depends on beside recipe and data: versions, platform, threads, and the kernels of BLAS.

    Sums are taken in another order on more threads or with other kernels, so that losses and masks differ in the end.
    """
    versions = {"minisnn": minisnn.__version__, "python": platform.python_version()}
    for name in ("numpy", "scipy"):
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    blas = [
        {key: pool.get(key) for key in ("internal_api", "version", "architecture", "threading_layer")}
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    ]
    return {"versions": versions, "platform": platform.platform(), "threads": threads(), "blas": blas}


def create(folder: Path, config: dict[str, Any], state: TrainingState, log: Sequence[Row] = ()) -> None:
    """A new run's folder. config.json comes last: it says that there is a run.

    Raises FileExistsError if the folder holds a run already.
    """
    if (folder / "config.json").exists():
        name = str(folder)
        raise FileExistsError(
            f"{name} holds a run already: snn.load({name!r}) reads it, snn.resume({name!r}) goes on with it; "
            "for a new run choose another folder, or delete this one"
        )
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint.save(folder / "checkpoint.npz", state)
    if log:
        write_log(folder, log)
    write_json(folder / "config.json", config | {"environments": [environment()]})


def config_file(folder: Path) -> Path:
    """Where a run's configuration is. Raises FileNotFoundError if there is none."""
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no run: there is no config.json")
    return path


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json says. Raises FileNotFoundError if there is none, ValueError if it is not one."""
    path = config_file(folder)
    try:
        config = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not the configuration of a run ({error})") from error
    if isinstance(config, dict) and "recipe" in config and "data" not in config:
        raise ValueError(
            f"{path}: the run is of an older minisnn, and does not say which data it was trained on: train it again"
        )
    if not isinstance(config, dict) or not {"train", "recipe", "data"} <= config.keys():
        raise ValueError(f"{path}: not the configuration of a run (expected train, recipe and data)")
    return config


def write_config(folder: Path, config: dict[str, Any]) -> None:
    """A run goes on: config.json as it is now, and with the environment if that is another than before."""
    before = read_config(folder).get("environments", [])
    here = environment()
    write_json(
        folder / "config.json", config | {"environments": before if here in before[-1:] else [*before, here]}
    )


def read_log(folder: Path) -> list[Row]:
    """The rows of a run's log.csv, one for each epoch; none before the first is complete.

    Whole numbers are read as such, so that a log that is read and written again stays the same to the byte.
    Raises ValueError for an entry that is no number.
    """
    path = folder / "log.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        try:
            return [{key: _number(value) for key, value in row.items()} for row in csv.DictReader(file)]
        except (AttributeError, TypeError, ValueError, csv.Error) as error:
            raise ValueError(f"{path}: not the log of a run ({error})") from error


def _number(text: str) -> float:
    return int(text) if text.lstrip("-").isdecimal() else float(text)


def write_log(folder: Path, rows: Sequence[Row]) -> None:
    """log.csv, with the columns of the first row."""
    checkpoint.write_csv(folder / "log.csv", rows, list(rows[0]))


def read_result(folder: Path) -> dict[str, Any] | None:
    """What result.json says; None if there is none yet. Raises ValueError if it is damaged."""
    path = folder / "result.json"
    if not path.exists():
        return None
    try:
        result: dict[str, Any] = dict(json.loads(path.read_text()))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not the result of a run ({error})") from error
    return result


def write_json(path: Path, content: Any) -> None:
    """Atomically."""
    write_atomically(path, lambda file: file.write((json.dumps(content, indent=2) + "\n").encode()))
