"""Build notebooks and exercises from the chapters' one source, chapters/NN_topic.md.

    python chapters/build.py [NN ...]     all chapters, or those whose numbers are given

Writes notebooks/NN_topic.ipynb, executed, and exercises/NN_topic.ipynb, in which what stands in a cell
between `# solution: HINT` and `# end solution` is replaced by `raise NotImplementedError("HINT")`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
SOLUTION = re.compile(r"^( *)# solution: (.*?)\n.*?^ *# end solution *$", re.MULTILINE | re.DOTALL)
NBFORMAT_MINOR = 5


def sources() -> list[Path]:
    """The chapters, in order."""
    return sorted(HERE.glob("[0-9][0-9]_*.md"))


def read(source: Path) -> nbformat.NotebookNode:
    """The chapter as a notebook without outputs, with cell ids that do not change from build to build."""
    notebook = jupytext.read(source, fmt="md:myst")
    notebook.nbformat_minor = NBFORMAT_MINOR
    notebook.metadata = {"kernelspec": notebook.metadata.kernelspec, "language_info": {"name": "python"}}
    for n, cell in enumerate(notebook.cells):
        cell.id = f"cell-{n}"
    return notebook


def execute(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same with outputs. Raises nbclient's CellExecutionError where a cell fails."""
    NotebookClient(notebook, timeout=120, kernel_name="python3", record_timing=False).execute()
    notebook.metadata["language_info"] = {"name": "python"}  # not this machine's version
    return notebook


def exercise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same without outputs and solutions."""
    notebook = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = SOLUTION.sub(r'\1raise NotImplementedError("\2")', cell.source)
    return notebook


def main(numbers: list[str]) -> None:
    """Build the chapters of these numbers, or all."""
    for source in sources():
        if numbers and source.name[:2] not in numbers:
            continue
        for folder, make in (("exercises", exercise), ("notebooks", execute)):
            path = HERE / folder / f"{source.stem}.ipynb"
            path.parent.mkdir(exist_ok=True)
            nbformat.write(make(read(source)), path)
        print(f"{source.name}: built")


if __name__ == "__main__":
    main(sys.argv[1:])
