"""Every chapter runs, asserts, imports the library, and is what its notebooks were built from. No skip list."""

import ast
import functools
import importlib.util
import json
import pkgutil
import re
import sys
from itertools import chain
from pathlib import Path
from types import ModuleType

import matplotlib.pyplot as plt
import nbformat
import pytest

import data_loaders
import minisnn
from minisnn.course import Task
from minisnn.course.declare import all_tasks

ROOT = Path(__file__).resolve().parent.parent / "chapters"
spec = importlib.util.spec_from_file_location("build", ROOT / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)

CHAPTERS = build.sources()
chapters = pytest.mark.parametrize("source", CHAPTERS, ids=lambda path: path.stem)
MAY_IMPORT = {"numpy", "matplotlib", "minisnn", "data_loaders"} | sys.stdlib_module_names
HEADINGS = (
    "The question",
    "The derivation",
    "The picture",
    "Break it",
    "Exercises",
    "Self-test",
    "What the papers say",
)


def code(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


@functools.cache
def exported():
    """Names of all public functions and classes of minisnn and data_loaders."""
    names = set()
    packages = (pkgutil.walk_packages(p.__path__, f"{p.__name__}.") for p in (minisnn, data_loaders))
    for module in chain.from_iterable(packages):
        if module.name.startswith("minisnn.course.tasks"):
            continue  # the oracles bear the names of what is asked for
        file = importlib.util.find_spec(module.name).origin
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
        names |= {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    return {name for name in names if not name.startswith("_")}


def test_there_are_chapters_without_gaps_in_their_names():
    assert len(CHAPTERS) >= 9
    assert all(re.fullmatch(r"\d\d_[a-z_]+\.md", path.name) for path in CHAPTERS)


@chapters
def test_source(source):
    text = source.read_text(encoding="utf-8").split("---\n", 2)[2]  # what stands below the front matter
    assert 150 <= text.count("\n") <= 560, "a chapter is 150 to 560 lines"
    for heading in HEADINGS:
        assert re.search(rf"^## .*{heading}", text, re.MULTILINE), f'no section "{heading}"'
    cells = code(build.read(source, "notebooks"))
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
def test_header_links_every_chapter_that_it_names(source):
    header = build.HEADER.search(source.read_text(encoding="utf-8"))
    linked = dict(re.findall(r"\[([^]]+)\]\((\w+\.md)\)", header[0].replace("\n", " ")))
    assert not re.search(r"\b\d\d\b", re.sub(r"\[[^]]+\]\([^)]+\)", "", header[2])), (
        "names a chapter without a link"
    )
    assert linked == {build.chapter(ROOT / name).title: name for name in linked.values()}
    assert linked or "no other chapter" in header[2]


@pytest.fixture
def shown(monkeypatch):
    """How many figures `plt.show` has drawn. Nothing of them is left, nor of what a chapter sets."""
    counts = []

    def show():
        for number in plt.get_fignums():
            plt.figure(number).canvas.draw()
        counts.append(len(plt.get_fignums()))
        plt.close("all")

    monkeypatch.setattr(plt, "show", show)
    plt.switch_backend("agg")  # no windows, where there are some
    with plt.rc_context():
        yield counts
    plt.close("all")


def run_cell(source, name, scope):
    """A cell, and what a notebook does with the value of its last line: it asks for HTML or text."""
    *body, last = ast.parse(source, name).body
    value = None
    if isinstance(last, ast.Expr):
        exec(compile(ast.Module(body, []), name, "exec"), scope)
        value = eval(compile(ast.Expression(last.value), name, "eval"), scope)
    else:
        exec(compile(source, name, "exec"), scope)
    getattr(value, "_repr_html_", value.__repr__)()


@pytest.mark.chapters
@chapters
def test_runs(source, shown, monkeypatch, capsys):
    run_chapter(source, monkeypatch)
    assert sum(shown) > 0, "draws nothing"
    printed = capsys.readouterr()
    assert not printed.err, "warns"
    for name, task in all_tasks(int(source.name[:2])).items():
        assert printed.out.count(f"{name}: right") == (2 if isinstance(task, Task) else 1), name


@pytest.mark.chapters
def test_a_chapter_holds_at_the_sizes_of_a_browser(shown, monkeypatch, capsys):
    """The quickest one that has them, for all: `make pyodide` runs every chapter at these sizes."""
    (source,) = ROOT.glob("19_*.md")
    assert "small()" in source.read_text(encoding="utf-8")
    monkeypatch.setenv("MINISNN_SMALL", "1")
    assert run_chapter(source, monkeypatch)["EPOCHS"] == 2
    assert not capsys.readouterr().err, "warns"


def run_chapter(source, monkeypatch):
    """Cell by cell, in this process: to start a kernel for each takes longer than many chapters. Returns its names."""
    module = ModuleType(source.stem)
    monkeypatch.setitem(sys.modules, source.stem, module)
    notebook = build.read(source, "notebooks")
    notebook = build.tasks.solved(notebook, build.TEACHER / f"{source.stem}.py")
    for n, cell in enumerate(code(notebook)):
        run_cell(cell, f"{source.name}, code cell {n}", module.__dict__)
    return module.__dict__


@chapters
def test_built_notebooks_have_the_same_source(source):
    for folder, make in (("notebooks", lambda notebook: notebook), ("exercises", build.tasks.gradable)):
        expected = make(build.read(source, folder))
        built = nbformat.read(ROOT / folder / f"{source.stem}.ipynb", as_version=4)
        nbformat.validate(built)
        assert [(c.cell_type, c.source) for c in built.cells] == [
            (c.cell_type, c.source) for c in expected.cells
        ], "run `make chapters`"
        executed = any(c.get("outputs") for c in built.cells)
        assert executed == (folder == "notebooks")


@chapters
def test_tasks_of_a_chapter(source):
    """Every task is asked once, under its grade, with hints that fold; goals, self-test and alternative texts."""
    known = all_tasks(int(source.name[:2]))
    notebook = build.read(source, "exercises")
    text = source.read_text(encoding="utf-8")
    assert [name for _, check in build.tasks._pairs(notebook) for name in build.tasks.checked(check)] == list(
        known
    )
    grades = [
        title.lower()
        for title in re.findall(r"^### ([A-Z][a-z -]+): ", text.partition("## Exercises\n")[2], re.M)
    ]
    assert grades == [task.grade for task in known.values()]
    for part in re.split(
        r"^### ", text.partition("## Exercises\n")[2].partition("## Self-test")[0], flags=re.M
    )[1:]:
        assert "<details><summary>Hint" in part, f"no hint: {part.splitlines()[0]}"
    assert "**After this chapter you can**" in text
    self_test = text.partition("## Self-test\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\d", self_test, re.M) == ["1", "2", "3"]
    headings = set(re.findall(r"^#+ (.*)$", text, re.M))
    for task in known.values():
        for mistake in task.mistakes:
            assert not mistake.reread or mistake.reread in headings, (
                f"{task.name}: no heading {mistake.reread}"
            )
    for cell in notebook.cells:
        if "plt.show()" in cell.source and cell.cell_type == "code":
            assert len(cell.metadata["mystnb"]["image"]["alt"]) > 40, cell.source


@chapters
def test_no_solution_is_public(source):
    teacher = (build.TEACHER / f"{source.stem}.py").read_text(encoding="utf-8")
    known = all_tasks(int(source.name[:2]))
    for folder, make in (("notebooks", lambda notebook: notebook), ("exercises", build.tasks.gradable)):
        text = json.dumps(make(build.read(source, folder)))
        for node in ast.parse(teacher).body:
            if isinstance(node, ast.FunctionDef) and node.name.removesuffix("_2") in known:
                body = "\n".join(ast.get_source_segment(teacher, part) for part in node.body)
                assert json.dumps(body)[1:-1] not in text, node.name


@chapters
def test_teachers_copy_has_the_same_source(source):
    expected = build.tasks.solved(
        build.read(source, "../teacher/notebooks"), build.TEACHER / f"{source.stem}.py"
    )
    built = nbformat.read(build.TEACHER / "notebooks" / f"{source.stem}.ipynb", as_version=4)
    nbformat.validate(built)
    assert [c.source for c in built.cells] == [c.source for c in expected.cells], "run `make chapters`"


def test_index_is_made_of_the_chapters():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert build.TABLE.search(readme)[0] == build.index(), "run `make chapters`"
    built = nbformat.read(ROOT / "start.ipynb", as_version=4)
    nbformat.validate(built)
    sources = [[(c.cell_type, c.source) for c in page.cells] for page in (built, build.start())]
    assert sources[0] == sources[1], "run `make chapters`"


def test_start_page_leads_to_every_notebook_and_exercise():
    text = "".join(cell.source for cell in build.start().cells)
    for folder in ("notebooks", "exercises"):
        assert set(re.findall(rf"\(({folder}/[^)]+)\)", text)) == {
            f"{folder}/{s.stem}.ipynb" for s in CHAPTERS
        }


@pytest.mark.chapters
def test_start_page_runs():
    notebook = build.execute(build.start())
    (output,) = (o for cell in notebook.cells for o in cell.get("outputs", []))
    assert "1,302 handwritten digits" in output.text


def test_courses_that_can_be_taught_build_on_nothing_else():
    known = {chapter.number: chapter for chapter in map(build.chapter, CHAPTERS)}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    courses = re.findall(r"^- .*: ((?:\d\d(?:–\d\d)?(?:, )?)+)$", readme, re.MULTILINE)
    assert len(courses) >= 9
    taught = set()
    for course in courses:
        parts = (part.partition("–") for part in course.split(", "))
        numbers = {f"{n:02}" for first, _, last in parts for n in range(int(first), int(last or first) + 1)}
        assert set().union(*(build.below(n, known) for n in numbers)) <= numbers, f"{course} is not complete"
        taught |= numbers
    assert taught == set(known)


def test_teaching_guide():
    """Its tables are made of the chapters, and no plan comes to a chapter before one that it builds on."""
    known = {chapter.number: chapter for chapter in map(build.chapter, CHAPTERS)}
    assert build.teaching.PAGE.read_text(encoding="utf-8") == build.teaching.page(known), (
        "run `make chapters`"
    )
    assert set(build.teaching.PLANS) == {"two days", "six weeks", "twelve weeks"}
    for sessions in build.teaching.PLANS.values():
        taught = [n for session in sessions for n in session.chapters]
        for place, n in enumerate(taught):
            assert set(known[n].builds_on) <= set(taught[:place]), f"{n} comes too early"
    assert set(taught) == set(known), "the longest plan has every chapter"


@pytest.mark.chapters
def test_slides_begin_at_headings():
    spec = importlib.util.spec_from_file_location("slides", ROOT / "slides.py")
    slides = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(slides)
    source = "# One\n\ntext\n\n## Two\n\n**A step.** so\n\n### Three\n\nend"
    make = nbformat.v4
    notebook = make.new_notebook(cells=[make.new_markdown_cell(source), make.new_code_cell("1")])
    cells = slides.slides(notebook).cells
    kinds = [cell.metadata.slideshow.slide_type for cell in cells]
    assert kinds == ["slide", "slide", "subslide", "subslide", "fragment"]
    assert "".join(cell.source for cell in cells[:-1]) == source
    drawn = make.new_code_cell("1\n" * 30, outputs=[make.new_output("display_data", {"image/png": ""})])
    notebook = make.new_notebook(cells=[make.new_code_cell("1\n" * 30), drawn])
    long, picture = slides.slides(notebook).cells
    assert (long.metadata.slideshow.slide_type, picture.metadata.slideshow.slide_type) == (
        "subslide",
        "fragment",
    )
    assert slides.DRAWN in picture.metadata.tags
    assert slides.DRAWN not in long.metadata.get("tags", [])


TARGET = """---
question: What?
---
# 02 The `end`, and γ

```{code-cell}
x = 1
```

## What: 1 - 2?
"""


@pytest.mark.parametrize(
    ("link", "moved"),
    [
        ("[a](02_b.md)", "[a](02_b.ipynb)"),  # the notebook of the same kind
        ("[a](<02_b.md>)", "[a](<02_b.ipynb>)"),
        ("[a](02_b.md#what-1---2)", "[a](02_b.ipynb#What:-1---2?)"),
        ("[a](02_b.md#02-the-end-and-γ)", "[a](02_b.ipynb#02-The-end,-and-γ)"),
        ("[a](#the-first)", "[a](#The-first)"),
        ('![a](p.png "title")', '![a](../p.png "title")'),
        ("[a](../docs/x.md#y)", "[a](../../docs/x.md#y)"),
        ("[a](exercises/02_b.ipynb)", "[a](../exercises/02_b.ipynb)"),
        ('<a href="02_b.md">', '<a href="02_b.ipynb">'),
        ('<img src="p.png">', '<img src="../p.png">'),
        ("[a]: 02_b.md", "[a]: 02_b.ipynb"),
        ("[a](https://example.org/02_b.md#c)", "[a](https://example.org/02_b.md#c)"),
        ("`[a](02_b.md)` [b](02_b.md)", "`[a](02_b.md)` [b](02_b.ipynb)"),
        ("```\n[a](02_b.md)\n```", "```\n[a](02_b.md)\n```"),
    ],
)
def test_links_are_moved_with_the_chapter(tmp_path, monkeypatch, link, moved):
    monkeypatch.setattr(build, "HERE", tmp_path / "chapters")
    for name in ("docs/x.md", "chapters/p.png", "chapters/exercises/02_b.ipynb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "chapters" / "02_b.md").write_text(TARGET, encoding="utf-8")
    source = tmp_path / "chapters" / "01_a.md"
    source.write_text(f"---\nquestion: Why?\n---\n## The first\n\n{link}\n", encoding="utf-8")
    assert build.read(source, "notebooks").cells[0].source.strip() == f"## The first\n\n{moved}"


@pytest.mark.parametrize("link", ["03_c.md", "02_b.md#the-end", "#second"])
def test_links_to_nothing_are_refused(tmp_path, monkeypatch, link):
    monkeypatch.setattr(build, "HERE", tmp_path)
    (tmp_path / "02_b.md").write_text(TARGET, encoding="utf-8")
    (tmp_path / "01_a.md").write_text(
        f"---\nquestion: Why?\n---\n## The first\n\n[a]({link})\n", encoding="utf-8"
    )
    with pytest.raises(ValueError, match=f"01_a.md links to {link}"):
        build.read(tmp_path / "01_a.md", "exercises")


@pytest.mark.chapters
def test_pictures_appear_whatever_the_environment_says(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    source = "import matplotlib.pyplot as plt\n\nplt.plot([1, 2])\nplt.show()"
    notebook = build.execute(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]))
    (output,) = notebook.cells[0].outputs
    assert "image/png" in output.data


@pytest.mark.chapters
def test_building_prints_nothing_of_its_own(capfd):
    build.execute(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]))
    assert capfd.readouterr() == ("", "")
