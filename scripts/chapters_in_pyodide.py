"""Run chapters under Pyodide, or here: the code cells of chapters/notebooks, but those that wait for an answer.

    node scripts/pyodide.mjs PYODIDE WHEELS scripts/chapters_in_pyodide.py [NN ...]
    MINISNN_SMALL=1 python scripts/chapters_in_pyodide.py [NN ...]                     the same sizes, for comparison

Prints a line of JSON for each: seconds, seconds of the processor, megabytes of memory that Pyodide has taken so far,
and what went wrong.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
import traceback
import types
from pathlib import Path

import matplotlib.pyplot as plt

NOTEBOOKS = Path(__file__).resolve().parent.parent / "chapters" / "notebooks"
HOST = globals().get("host")  # of pyodide.mjs: what Python cannot know in there


def run(path: Path) -> str:
    """Run the code cells of a notebook but those of tasks. Returns what went wrong, or nothing."""
    module = sys.modules["__chapter__"] = types.ModuleType("__chapter__")
    for n, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        if cell["cell_type"] != "code" or "skip-execution" in cell["metadata"].get("tags", []):
            continue
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile("".join(cell["source"]), f"cell {n}", "exec"), module.__dict__)
        except Exception:
            return f"cell {n}: {traceback.format_exc(limit=-3)}"
        finally:
            plt.close("all")
    return ""


def measured(path: Path) -> dict[str, object]:
    """A chapter's run as a line of the table."""
    busy = HOST.processor if HOST else time.process_time
    start, used = time.perf_counter(), busy()
    error = run(path)
    return {
        "chapter": path.stem,
        "seconds": round(time.perf_counter() - start, 1),
        "processor seconds": round(busy() - used, 1),
        "megabytes": round(HOST.heap() / 2**20) if HOST else None,
        "error": error,
    }


def main(numbers: list[str]) -> int:
    """The chapters of these numbers, or all. Returns how many failed."""
    plt.switch_backend("agg")
    plt.show = lambda: [plt.figure(number).canvas.draw() for number in plt.get_fignums()]
    failed = 0
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if not numbers or path.name[:2] in numbers:
            row = measured(path)
            failed += bool(row["error"])
            print(json.dumps(row), flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
