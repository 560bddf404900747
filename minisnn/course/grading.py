"""Grade students' notebooks and scripts: each runs in a process of its own, with limits of time and memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from data_loaders.common.machine import in_browser
from minisnn.course.declare import all_tasks
from minisnn.course.runner import answered, cells


class Row(NamedTuple):
    """One task of one file. `task` is empty where the whole file could not be graded."""

    file: str
    chapter: int
    task: str
    grade: str
    points: int
    of: int
    message: str
    mistake: str = ""


def grade_files(
    paths: Iterable[Path], chapter: int | None = None, seconds: float = 60, memory: int = 2048, jobs: int = 1
) -> Iterator[list[Row]]:
    """The rows of each file, in the order of the files.

    Raises ValueError for limits below 1, OSError for a missing file, or in a browser, which starts no processes.
    """
    if in_browser():
        raise OSError(
            "a file is graded in a process of its own, and a browser starts none: use Python outside of it"
        )
    files = [Path(path) for path in paths]
    for path in files:
        if not path.is_file():
            raise OSError(f"{path}: there is no such file")
    for name, value in (("seconds", seconds), ("memory", memory), ("jobs", jobs)):
        if value < 1:
            raise ValueError(f"{name}: expected at least 1, found {value}")
    if chapter is not None and not all_tasks(chapter):
        raise ValueError(
            f"chapter: {chapter} has no tasks; expected 1 to {max(t.chapter for t in all_tasks().values())}"
        )
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda path: grade_file(path, chapter, seconds, memory), files)


def grade_file(path: Path, chapter: int | None = None, seconds: float = 60, memory: int = 2048) -> list[Row]:
    """One row for each task of the chapter, which is found by the names in the file if it is not given."""
    try:
        sources = cells(path)
        chapter = chapter if chapter is not None else _chapter(answered(sources))
    except (ValueError, OSError) as error:
        return [Row(str(path), 0, "", "", 0, 0, f"could not be read: {error}")]
    if chapter is None:
        return [Row(str(path), 0, "", "", 0, 0, "has no answer to any task; --chapter says which one it is")]
    verdicts, end = _verdicts(path, chapter, seconds, memory)
    rows = []
    for name, task in all_tasks(chapter).items():
        missing = {"right": False, "text": f"{name}: not judged: the file {end}.", "mistake": ""}
        verdict = verdicts.get(name, missing)
        points = task.points if verdict["right"] else 0
        message = str(verdict["text"]).removeprefix(f"{name}: ")
        rows.append(
            Row(str(path), chapter, name, task.grade, points, task.points, message, str(verdict["mistake"]))
        )
    return rows


def _chapter(names: set[str]) -> int | None:
    """The chapter with the most tasks among these names."""
    found = [task.chapter for name, task in all_tasks().items() if name in names]
    return max(set(found), key=lambda chapter: (found.count(chapter), -chapter)) if found else None


def _verdicts(
    path: Path, chapter: int, seconds: float, memory: int
) -> tuple[dict[str, dict[str, object]], str]:
    """What the runner wrote before it ended, by task, and how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "verdicts"
        inside = Path(folder) / "work"
        inside.mkdir()
        words = [sys.executable, "-m", "minisnn.course.runner", str(path.resolve()), str(chapter), str(out)]
        end = _run([*words, str(seconds), str(memory)], inside, 3 * seconds + 30)
        lines = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
        found = {}
        for line in lines:
            try:
                verdict = json.loads(line)
                found[verdict["task"]] = verdict
            except (ValueError, KeyError, TypeError):  # the process ended within the line
                continue
        return found, end


def _run(words: list[str], folder: Path, seconds: float) -> str:
    """Run a process without input, output and terminal; kill it and its children when the time is over."""
    threads = {f"{kind}_NUM_THREADS": "1" for kind in ("OPENBLAS", "OMP", "MKL")}
    here = str(Path(__file__).resolve().parents[2])
    python_path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))
    environment = (
        os.environ | threads | {"PYTHONPATH": python_path, "MPLBACKEND": "agg", "MINISNN_STATIC": "1"}
    )
    process = subprocess.Popen(
        words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        code = process.wait(seconds)
        return f"ended early, with the status {code}"
    except subprocess.TimeoutExpired:
        return "took too long"
    finally:
        _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it has started."""
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()
