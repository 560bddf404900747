"""The chapters and the tests under Pyodide, the Python of browsers: docs/results/browser_*.json, and their tables.

    python scripts/browser_results.py chapters PYODIDE WHEELS    each chapter in there, then here, one after the other
    python scripts/browser_results.py tests PYODIDE WHEELS       the tests that scripts/tests_in_pyodide.py lists
    python scripts/browser_results.py tables                     put both into docs/results/README.md

PYODIDE: a folder with a whole Pyodide; WHEELS: see scripts/pyodide.mjs. `make pyodide` does all three. The exit status
is that of what ran.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from common import RESULTS, fill

from minisnn.commands.doctor_report import processor

SCRIPTS = Path(__file__).resolve().parent
NOTEBOOKS = SCRIPTS.parent / "chapters" / "notebooks"
CHAPTERS, TESTS = RESULTS / "browser_chapters.json", RESULTS / "browser_tests.json"
SMALL = {"MINISNN_SMALL": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}


def last_line(words: list[str], environment: dict[str, str] | None = None) -> dict[str, object]:
    """Run a command that prints JSON in its last line. Raises SystemExit with what it said if there is none."""
    found = subprocess.run(words, env=os.environ | (environment or {}), capture_output=True, text=True)
    try:
        return json.loads(found.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        sys.exit(f"{' '.join(words)}\n{found.stdout[-3000:]}{found.stderr[-3000:]}")


def inside(folder: Path, wheels: Path, script: str, *words: str) -> dict[str, object]:
    """The last line of a script that runs under Pyodide."""
    return last_line(
        ["node", str(SCRIPTS / "pyodide.mjs"), str(folder), str(wheels), f"scripts/{script}.py", *words]
    )


def chapters(folder: Path, wheels: Path) -> dict[str, object]:
    """Each chapter in a Pyodide of its own, and right after it here, at the same sizes."""
    rows = []
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        there = inside(folder, wheels, "chapters_in_pyodide", path.name[:2])
        here = last_line([sys.executable, str(SCRIPTS / "chapters_in_pyodide.py"), path.name[:2]], SMALL)
        notebook = path.read_text(encoding="utf-8")
        rows.append(
            {
                "chapter": path.stem,
                "small": "small()" in notebook,
                "seconds": there["seconds"],
                "processor seconds": there["processor seconds"],
                "desktop seconds": here["seconds"],
                "desktop processor seconds": here["processor seconds"],
                "megabytes": there["megabytes"],
                "error": there["error"] or here["error"],
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    command = "python scripts/browser_results.py chapters PYODIDE WHEELS"
    return {"command": command, "versions": versions(folder, wheels), "machine": machine(), "chapters": rows}


def tests(folder: Path, wheels: Path) -> dict[str, object]:
    """The tests under Pyodide: how many passed, were skipped and why, failed; seconds."""
    found = inside(folder, wheels, "tests_in_pyodide")
    command = "python scripts/browser_results.py tests PYODIDE WHEELS"
    return {"command": command, "versions": versions(folder, wheels), "machine": machine(), **found}


def versions(folder: Path, wheels: Path) -> dict[str, object]:
    """Of Pyodide, Node, and of what runs in there."""
    return inside(folder, wheels, "pyodide_versions")


def machine() -> dict[str, str]:
    """This one."""
    return {"processor": processor(), "Python": platform.python_version(), "NumPy": np.__version__}


def tables() -> dict[Path, dict[str, str]]:
    """What stands between the marks `<!-- NAME -->` and `<!-- end NAME -->` of which page."""
    page = {"browser chapters": chapter_table(), "browser tests": test_table()}
    return {RESULTS / "README.md": page, RESULTS.parent / "site.md": {"loads": loads()}}


def loads() -> str:
    """What a first visit to the site takes, as scripts/site_pictures.py measured it."""
    found = json.loads((RESULTS / "site" / "loads.json").read_text())
    notebook, playground = found["notebook"], found["playground"]
    return (
        f"With its own Pyodide the site is {found['site']['megabytes']:.0f} MB. A first visit to a notebook loads "
        f"{notebook['megabytes']:.0f} MB until minisnn is installed, and took {notebook['seconds']:.0f} s here, "
        f"from a server on the same machine; the playground {playground['megabytes']:.0f} MB and "
        f"{playground['seconds']:.0f} s. Servers that compress files send fewer."
    )


def chapter_table() -> str:
    """A row for each chapter, and what was measured where."""
    report = json.loads(CHAPTERS.read_text())
    lines = [
        "| chapter | in Pyodide / s | outside / s | ratio | memory / MB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for row in report["chapters"]:
        there, here = row["processor seconds"], row["desktop processor seconds"]
        name = row["chapter"].replace("_", " ") + (" (small)" if row["small"] else "")
        ratio = f"{there / here:.1f}" if here >= 1 else ""
        lines.append(f"| {name} | {there:.1f} | {here:.1f} | {ratio} | {row['megabytes']} |")
    there, machine = report["versions"], report["machine"]
    lines += [
        "",
        f"Seconds of the processor, the start of Python left out; a ratio where there is a second to compare. Pyodide "
        f"{there['Pyodide']} (Python {there['Python']}, NumPy {there['NumPy']}) in Node {there['Node']}; outside "
        f"Python {machine['Python']}, NumPy {machine['NumPy']}, one thread. {machine['processor']}.",
    ]
    return "\n".join(lines)


def test_table() -> str:
    """How many tests passed, by file, and why the others were skipped."""
    report = json.loads(TESTS.read_text())
    lines = ["| tests | passed | skipped | failed |", "| --- | ---: | ---: | ---: |"]
    files = report["files"] | {"all": report}
    for name, counts in files.items():
        lines.append(
            f"| {name} | {' | '.join(str(counts.get(key, 0)) for key in ('passed', 'skipped', 'failed'))} |"
        )
    reasons = "; ".join(f"{count} {reason}" for reason, count in report["reasons"].items())
    return "\n".join([*lines, "", f"{report['seconds']:.0f} seconds. Skipped: {reasons}."])


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["chapters", "tests", "tables"])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="PYODIDE and WHEELS")
    arguments = parser.parse_args()
    if arguments.what == "tables":
        for page, parts in tables().items():
            page.write_text(fill(page.read_text(), parts))
        return 0
    if missing := _missing(arguments.folders):
        print(missing)
        return 2
    measure, path = {"chapters": (chapters, CHAPTERS), "tests": (tests, TESTS)}[arguments.what]
    report = measure(*arguments.folders)
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return int(bool(report.get("status")) or any(row["error"] for row in report.get("chapters", ())))


def _missing(folders: list[Path]) -> str:
    """What is not there, in one sentence; empty if all is."""
    if shutil.which("node") is None:
        return "Node is missing: install Node 18 or newer, and have `node` on the PATH."
    if len(folders) != 2 or not (folders[0] / "pyodide.mjs").is_file():
        return "Pyodide is missing: unpack its full distribution and name the folder with pyodide.mjs, PYODIDE=folder."
    if not list(folders[1].glob("tqdm-*.whl")):
        return "Wheels are missing: name a folder with those of tqdm, pytest and hypothesis, WHEELS=folder."
    return ""


if __name__ == "__main__":
    sys.exit(main())
