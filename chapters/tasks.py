"""The tasks of a chapter in its notebooks: cells that wait for an answer, their solutions, marks for nbgrader.

A cell with the tag `task` holds a stub; the next cell with the tag `check` checks the names in it.
"""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat

from minisnn.course.declare import all_tasks

make = nbformat.v4


def has_tag(cell: nbformat.NotebookNode, tag: str) -> bool:
    """Whether a cell has this tag."""
    return tag in cell.metadata.get("tags", [])


def checked(cell: nbformat.NotebookNode) -> list[str]:
    """The names that a cell with the tag `check` checks."""
    calls = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]
    return [
        k.arg for call in calls if getattr(call.func, "id", "") == "check" for k in call.keywords if k.arg
    ]


def skipped(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same with a tag that keeps the cells of tasks from being executed."""
    for cell in notebook.cells:
        if has_tag(cell, "task") or has_tag(cell, "check"):
            cell.metadata.tags = [*cell.metadata.tags, "skip-execution"]
    return notebook


def gradable(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy whose cells of tasks tell nbgrader which is for an answer and which gives how many points."""
    notebook = nbformat.from_dict(notebook)
    known = all_tasks()
    for stub, check in _pairs(notebook):
        names = checked(check)
        grade_id = "-".join(names)
        common = {"schema_version": 3, "task": False}
        stub.metadata["nbgrader"] = {
            **common, "grade": False, "grade_id": grade_id, "locked": False, "solution": True,
        }  # fmt: skip
        points = sum(known[name].points for name in names)
        check.metadata["nbgrader"] = {
            **common, "grade": True, "grade_id": f"{grade_id}-check", "locked": True, "points": points,
            "solution": False,
        }  # fmt: skip
    return notebook


def solved(notebook: nbformat.NotebookNode, solutions: Path) -> nbformat.NotebookNode:
    """The teacher's copy: notes at the top, both solutions of every task with its minutes, the answers at the end."""
    module, source = load(solutions), solutions.read_text(encoding="utf-8")
    parts, known = _segments(source), all_tasks()
    names = {id(stub): checked(check) for stub, check in _pairs(notebook)}
    second = {id(check): checked(check) for _, check in _pairs(notebook)}
    cells = [notebook.cells[0], make.new_markdown_cell(f"**For the teacher.** {module.NOTES}")]
    imports = _imports(source)
    for cell in notebook.cells[1:]:
        if id(cell) in names:
            costs = (
                f"`{n}`: {module.MINUTES[n]} minutes, {known[n].points} point{'s' * (known[n].points > 1)}"
                for n in names[id(cell)]
            )
            cells.append(make.new_markdown_cell(f"**Solution.** {', '.join(costs)}."))
            cell.source = imports + "\n\n\n".join(parts[name] for name in names[id(cell)])
            imports = ""
        cells.append(cell)
        if others := [name for name in second.get(id(cell), []) if f"{name}_2" in parts]:
            calls = "\n".join(f"check({name}={name}_2)" for name in others)
            source = "\n\n\n".join([*(parts[f"{name}_2"] for name in others), calls])
            cells += [make.new_markdown_cell("In another way:"), make.new_code_cell(source)]
        if cell.cell_type == "markdown" and "## Self-test" in cell.source:
            answers = "\n".join(f"{n}. {text}" for n, text in enumerate(module.ANSWERS, 1))
            cells.append(make.new_markdown_cell(f"**Answers**\n\n{answers}"))
    notebook.cells = cells
    return notebook


def _pairs(notebook: nbformat.NotebookNode) -> list[tuple[Any, Any]]:
    """Every stub with its check. Raises ValueError for one without the other."""
    cells = [cell for cell in notebook.cells if has_tag(cell, "task") or has_tag(cell, "check")]
    kinds = [has_tag(cell, "task") for cell in cells]
    if kinds != [True, False] * (len(cells) // 2):
        raise ValueError("expected cells with the tags `task` and `check` in turn")
    return list(zip(cells[::2], cells[1::2], strict=True))


def _segments(source: str) -> dict[str, str]:
    """The text of every function and of every assignment to one name."""
    found = {}
    for node in ast.parse(source).body:
        text = ast.get_source_segment(source, node) or ""
        if isinstance(node, ast.FunctionDef):
            found[node.name] = text
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = text
    return found


def _imports(source: str) -> str:
    nodes = [node for node in ast.parse(source).body if isinstance(node, (ast.Import, ast.ImportFrom))]
    lines = [ast.get_source_segment(source, node) or "" for node in nodes]
    return "\n".join(lines) + "\n\n\n" if lines else ""


def load(file: Path) -> ModuleType:
    """A file of solutions as a module."""
    spec = importlib.util.spec_from_file_location(f"teacher_{file.stem}", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
