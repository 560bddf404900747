"""Every chapter runs, asserts, imports the library, and is what its notebooks were built from. No skip list."""

import ast
import importlib.util
import pkgutil
import re
import sys
from pathlib import Path

import nbformat
import pytest

import minisnn

ROOT = Path(__file__).resolve().parent.parent / "chapters"
spec = importlib.util.spec_from_file_location("build", ROOT / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)

CHAPTERS = build.sources()
chapters = pytest.mark.parametrize("source", CHAPTERS, ids=lambda path: path.stem)
MAY_IMPORT = {"numpy", "matplotlib", "minisnn"} | sys.stdlib_module_names
HEADINGS = ("The question", "The derivation", "The picture", "Break it", "Exercise", "What the papers say")


def code(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def exported():
    """Names of all public functions and classes of minisnn."""
    names = set()
    for module in pkgutil.walk_packages(minisnn.__path__, "minisnn."):
        file = importlib.util.find_spec(module.name).origin
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
        names |= {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    return {name for name in names if not name.startswith("_")}


def test_there_are_chapters_without_gaps_in_their_names():
    assert len(CHAPTERS) >= 9
    assert all(re.fullmatch(r"\d\d_[a-z_]+\.md", path.name) for path in CHAPTERS)


@chapters
def test_source(source):
    text = source.read_text(encoding="utf-8")
    assert 150 <= text.count("\n") <= 320, "a chapter is 150 to 300 lines"
    for heading in HEADINGS:
        assert re.search(rf"^## .*{heading}", text, re.MULTILINE), f'no section "{heading}"'
    assert "Reading time" in text
    assert "# solution: " in text
    cells = code(build.read(source))
    tree = ast.parse("\n".join(cells))
    nodes = list(ast.walk(tree))
    assert any(isinstance(node, ast.Assert) for node in nodes), "asserts nothing"
    assert "plt.show()" in text, "no picture"
    modules = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    modules |= {n.module for n in nodes if isinstance(n, ast.ImportFrom)}
    roots = {name.partition(".")[0] for name in modules}
    assert "minisnn" in roots, "does not import minisnn"
    assert roots <= MAY_IMPORT
    defined = {n.name for n in nodes if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    assert not defined & exported(), "defines again what the library exports"


@chapters
def test_runs(source):
    notebook = build.execute(build.read(source))
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    assert any("image/png" in o.get("data", {}) for o in outputs), "draws nothing"
    assert not [o.text for o in outputs if o.get("name") == "stderr"], "warns"


@chapters
def test_built_notebooks_have_the_same_source(source):
    fresh = build.read(source)
    for folder, expected in (("notebooks", fresh), ("exercises", build.exercise(fresh))):
        built = nbformat.read(ROOT / folder / f"{source.stem}.ipynb", as_version=4)
        nbformat.validate(built)
        assert [(c.cell_type, c.source) for c in built.cells] == [
            (c.cell_type, c.source) for c in expected.cells
        ], "run `make chapters`"
        executed = any(c.get("outputs") for c in built.cells)
        assert executed == (folder == "notebooks")


@chapters
def test_exercises_hide_the_solution_and_keep_the_checks(source):
    whole, exercise = (code(n) for n in (build.read(source), build.exercise(build.read(source))))
    assert len(whole) == len(exercise)
    changed = [(a, b) for a, b in zip(whole, exercise, strict=True) if a != b]
    assert changed
    for before, after in changed:
        assert "# solution" not in after
        ast.parse(after)
        hints = re.findall(r"# solution: (.*)", before)
        assert [n.exc.args[0].value for n in ast.walk(ast.parse(after)) if isinstance(n, ast.Raise)][
            -len(hints) :
        ] == hints
    assert "check(" in "".join(exercise)
