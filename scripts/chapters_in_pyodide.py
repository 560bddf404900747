"""Run chapters under Pyodide: node scripts/pyodide.mjs PYODIDE WHEELS scripts/chapters_in_pyodide.py [NN ...].

Prints a line of JSON for each: seconds, megabytes of memory that Pyodide has taken so far, and what went wrong.
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


plt.show = lambda: [plt.figure(number).canvas.draw() for number in plt.get_fignums()]
failed = 0
for path in sorted(NOTEBOOKS.glob("*.ipynb")):
    if sys.argv[1:] and path.name[:2] not in sys.argv[1:]:
        continue
    start = time.perf_counter()
    error = run(path)
    failed += bool(error)
    memory = round(heap() / 2**20) if "heap" in globals() else None  # noqa: F821 - set by pyodide.mjs
    print(json.dumps({"chapter": path.stem, "seconds": round(time.perf_counter() - start, 1),
                      "megabytes": memory, "error": error}), flush=True)  # fmt: skip
sys.exit(failed)
