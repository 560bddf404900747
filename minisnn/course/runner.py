"""Run one student's file and judge its answers: `python -m minisnn.course.runner FILE CHAPTER OUT SECONDS MEMORY`.

`grading.py` starts this in a process of its own. Each verdict is a line of JSON, written as soon as it is there, so
that whatever ends the process costs only what was not judged yet. Limits keep a file from harming the machine by
accident. They are no sandbox: who means harm can do it.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import json
import os
import signal
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MOST = 50_000  # characters of a cell; more is no exercise


class TooLongError(BaseException):
    """The time is over. No Exception, so that a student's `except Exception` does not catch it."""


def cells(path: Path) -> list[str]:
    """The code cells of a notebook without those that check, or the one of a script.

    Raises ValueError for what is neither, OSError for what cannot be read.
    """
    text = path.read_text(encoding="utf-8", errors="strict")
    if path.suffix != ".ipynb":
        return [text]
    try:
        found = json.loads(text)["cells"]
        code = [cell for cell in found if cell["cell_type"] == "code"]
        checks = [cell for cell in code if "check" in cell.get("metadata", {}).get("tags", [])]
        return ["".join(cell["source"]) for cell in code if cell not in checks]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path.name} is no notebook ({type(error).__name__})") from None


def plain(source: str) -> str:
    """A cell without the lines that only IPython understands."""
    lines = source.splitlines()
    return "\n".join("pass" if line.lstrip().startswith(("%", "!", "?")) else line for line in lines)


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise TooLongError in what runs here after so many seconds, where there are alarms."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: Any) -> None:
        raise TooLongError

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # again each second, if it was caught
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _limit(seconds: float, megabytes: int) -> None:
    """Limits of processor time, memory and the size of files, where the system knows them."""
    try:
        import resource
    except ImportError:  # Windows: only the parent's limit of time holds
        return
    for kind, value in (
        (resource.RLIMIT_CPU, int(2 * seconds) + 5),
        (resource.RLIMIT_AS, megabytes << 20),
        (resource.RLIMIT_FSIZE, 64 << 20),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):  # a lower limit holds already
            resource.setrlimit(kind, (value, value))


def run(sources: list[str], seconds: float) -> tuple[dict[str, Any], str]:
    """The names that a file defines, cell by cell, and what went wrong first. A crash does not stop later cells."""
    module = types.ModuleType("__main__")
    trouble, intact = "", dict(vars(builtins))
    sys.modules["__main__"] = module
    with contextlib.suppress(TooLongError), _at_most(seconds):
        for n, source in enumerate(sources, 1):
            try:
                exec(compile(plain(source)[:MOST], f"cell {n}", "exec"), module.__dict__)
            except TooLongError:
                trouble = trouble or f"cell {n} took longer than {seconds:.3g} s"
                break
            except BaseException as error:  # SystemExit and KeyboardInterrupt, too
                vars(builtins).update(intact)
                trouble = trouble or f"cell {n} raises {type(error).__name__}: {str(error)[:200]}"
    vars(builtins).update(intact)
    return dict(module.__dict__), trouble


def main(file: str, chapter: str, out: str, seconds: str, memory: str) -> None:
    """Run the file and write the verdicts."""
    from minisnn.course.checking import judge_task
    from minisnn.course.declare import all_tasks

    tasks, limit = all_tasks(int(chapter)), float(seconds)
    sources = cells(Path(file))
    import matplotlib

    matplotlib.use("agg")
    dumps = json.dumps  # before the file's own lines run
    with Path(out).open("a", encoding="utf-8") as verdicts:
        _limit(limit, int(memory))
        names, trouble = run(sources, limit)
        for name, task in tasks.items():
            try:
                with _at_most(max(2.0, limit / 4)):
                    verdict = judge_task(task, names.get(name))
                right, text, mistake = verdict.right, verdict.text, verdict.mistake
            except BaseException as error:  # an answer that takes too long, exits, or eats the memory
                kind = type(error).__name__
                what = "it takes too long" if isinstance(error, TooLongError) else f"it raises {kind}"
                right, text, mistake = False, f"{name}: {what}.", ""
            if not right and names.get(name) is None and trouble:
                text = f"{name}: not there: {trouble}."
            line = {"task": name, "right": bool(right), "text": str(text)[:2000], "mistake": mistake}
            verdicts.write(dumps(line) + "\n")
            verdicts.flush()


def answered(sources: list[str]) -> set[str]:
    """The names that a file assigns or defines at its top level, found without running it."""
    found: set[str] = set()
    for source in sources:
        try:
            body = ast.parse(plain(source)[:MOST]).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found |= {t.id for t in targets if isinstance(t, ast.Name)}
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
    os._exit(0)  # threads that a file has started do not keep the process
