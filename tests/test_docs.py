"""What the pages say is so: links lead somewhere, code runs, tables are the measured ones."""

import ast
import functools
import importlib
import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    path
    for pattern in ("*.md", "docs/**/*.md", "chapters/**/*.md", "chapters/**/*.ipynb")
    for path in sorted(ROOT.glob(pattern))
    if ".ipynb_checkpoints" not in path.parts
]


def _tokens(page):
    """What a Markdown file, or the Markdown in a notebook, consists of; code is one token that nothing is read from."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells)
    text = re.sub(r"\A---\n.*?^---\n", "", text, flags=re.DOTALL | re.MULTILINE)
    return _parsed(text)


@functools.cache
def _parsed(text):
    """Many links lead to the same page."""
    return [
        part
        for token in MarkdownIt().enable("table").parse(text)
        for part in (token, *(token.children or ()))
    ]


def _targets(page):
    """Where the links and pictures of a page lead."""
    for token in _tokens(page):
        for name in ("href", "src"):
            if token.attrGet(name):
                yield unquote(token.attrGet(name))
        if token.type.startswith("html"):
            yield from re.findall(r"\b(?:href|src)=[\"']([^\"']+)", token.content)


def _anchors(page):
    """The anchors of a page's headings: GitHub's of Markdown files, Jupyter's of notebooks."""
    found, heading = [], False
    for token in _tokens(page):
        if heading:
            title = "".join(part.content for part in token.children)
            if page.suffix == ".md":
                title = re.sub(r"[^\w\- ]", "", title.lower())
            anchor = title.replace(" ", "-")
            found.append(f"{anchor}-{found.count(anchor)}" if anchor in found else anchor)
        heading = token.type == "heading_open"
        if token.type.startswith("html"):
            found += re.findall(r"\b(?:id|name)=[\"']([^\"']+)", token.content)
    return found


def dead(page):
    """The links of a page that lead nowhere; those into the web are not followed."""
    for target in _targets(page):
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        if re.match(r"[a-z]+:", target):
            continue
        if there.suffix == ".py" and re.fullmatch(r"L\d+", anchor):
            anchor = anchor if int(anchor[1:]) > len(there.read_text(encoding="utf-8").splitlines()) else ""
        if not there.exists() or (anchor and anchor not in _anchors(there)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    assert list(dead(page)) == []


GOOD = """---
question: no ---
---
# One `two` – three

[here](#one-two--three) [there](b.md#one-1) ![p](p.png "title") [folder](.) [web](https://example.org/x#y) [ref]
`[code](nowhere.md)` <a href="b.md">b</a> <img src="p.png"> [cell](c.ipynb#The-end)

| [in a table](b.md) |
| --- |
| [and below](b.md#one) |

[ref]: b.md#one

```
[block](nowhere.md)
```
"""
TWO = "# One\n\n# One\n"


def _site(folder, page):
    (folder / "a.md").write_text(page, encoding="utf-8")
    (folder / "b.md").write_text(TWO)
    (folder / "p.png").write_bytes(b"")
    cells = [
        {"cell_type": "markdown", "source": ["# The end\n", "[end](#The-end), [up](b.md)"]},
        {"cell_type": "code", "source": "x = f[0](nowhere)"},
    ]
    (folder / "c.ipynb").write_text(json.dumps({"cells": cells}))
    return folder / "a.md", folder / "c.ipynb"


def test_no_good_link_is_called_dead(tmp_path):
    page, notebook = _site(tmp_path, GOOD)
    assert len(list(_targets(page))) == 11
    assert list(dead(page)) == list(dead(notebook)) == []


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("(#one-two--three)", "(#One-two--three)"),  # in the same page
        ("(b.md#one-1)", "(b.md#one-2)"),  # a heading of another
        ("(b.md#one-1)", "(c.md#one-1)"),  # a file
        ("(p.png ", "(q.png "),  # a picture
        ('href="b.md"', 'href="c.md"'),  # in HTML
        ('src="p.png"', 'src="q.png"'),
        ("[ref]: b.md#one", "[ref]: b.md#two"),  # at the foot of the page
        ("[in a table](b.md)", "[in a table](../b.md)"),
        ("(c.ipynb#The-end)", "(c.ipynb#the-end)"),  # in a notebook
        ("(.)", "(folder)"),
    ],
)
def test_every_kind_of_dead_link_is_found(tmp_path, good, bad):
    assert good in GOOD
    assert len(list(dead(_site(tmp_path, GOOD.replace(good, bad))[0]))) == 1


@pytest.mark.parametrize(("good", "bad"), [("#The-end", "#the-end"), ("(b.md)", "(../b.md)")])
def test_dead_links_of_notebooks_are_found(tmp_path, good, bad):
    notebook = _site(tmp_path, GOOD)[1]
    notebook.write_text(notebook.read_text().replace(good, bad))
    assert len(list(dead(notebook))) == 1


def says(text, paper, what):
    """Does a text name this equation or algorithm of a paper, alone or in a range, as in "ESL Eq. 7-9"?"""
    if what.startswith("Algorithm"):
        return re.search(rf"{paper}(?:'s)? {what}\b", text) or (
            paper in text and re.search(rf"\b{what}\b", text)
        )
    ranges = re.findall(rf"\b{paper} Eq\. (\d+)(?:[-–](\d+))?", text)
    return any(int(low) <= int(what.split()[1]) <= int(high or low) for low, high in ranges)


EQUATIONS = [
    *(("ESL", f"Eq. {n}") for n in range(1, 11)), ("ESL", "Algorithm 1"),
    *(("SCA", f"Eq. {n}") for n in range(1, 5)), ("SCA", "Algorithm 1"),
]  # fmt: skip


@pytest.mark.parametrize(("paper", "what"), EQUATIONS, ids=" ".join)
def test_every_equation_leads_to_its_code_and_its_chapter(paper, what):
    """In two clicks from the README; the file and the chapter say that they are the place."""
    assert "(docs/equations.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "equations.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| {paper} {re.escape(what)}, .*\|$", page, re.MULTILINE)
    _, title, code, chapter, _ = row.split("|")
    files = re.findall(r"\[`[\w.]+`\]\(\.\./([\w/]+\.py)#L\d+\)", code)
    (chapter,) = re.findall(r"\(\.\./(chapters/\w+\.md)\)", chapter)
    assert files
    assert any(says((ROOT / file).read_text(encoding="utf-8"), paper, what) for file in files), files
    assert says((ROOT / chapter).read_text(encoding="utf-8"), paper, what), chapter
    assert ("not simulated" in title) == ((paper, what) == ("ESL", "Eq. 3"))


def test_the_readmes_python_runs(tmp_path, monkeypatch, capsys):
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    scope = {}
    assert "epochs=10" in block
    exec(block.replace("epochs=10", "epochs=3"), scope)  # scripts/newcomer.sh follows the page literally
    assert scope["run"].evaluate().accuracy > 60
    assert "accuracy" in capsys.readouterr().out
    assert {"raster.png", "runs"} == {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    "name", ["headline", "esl_mlp_mnist", "lif_mnist", "reproduced", "events", "browser_results"]
)
def test_tables_are_the_measured_ones(name, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    script = importlib.import_module(name)
    for page, parts in script.tables().items():
        text = page.read_text(encoding="utf-8")
        assert script.fill(text, parts) == text, f"run `python scripts/{name}.py tables`"


def places_in_the_house():
    """Line numbers of the packages' files and folders in docs/design.md, by module: "minisnn.ops.lif"."""
    house = (ROOT / "docs" / "design.md").read_text(encoding="utf-8").split("```")[1]
    order, lines, rooms, root, folder = {}, 0, 0, "", ""
    for line in filter(str.strip, house.splitlines()):
        name, depth = line.split()[0], (len(line) - len(line.lstrip())) // 2
        if depth == 0:
            root, folder = name.strip("/") if name in ("minisnn/", "data_loaders/") else "", ""
        elif root:
            lines += 1
            folder = folder if depth == 2 else ""
            module = f"{root}.{folder}{name.strip('/').removesuffix('.py').replace('/', '.')}"
            if depth == 1 and name.endswith("/"):  # one in a room is a single line, and the room goes on
                folder = f"{name.strip('/')}."
            rooms += module in order  # of the lower part, where a room stands twice
            order[module] = lines
    assert len(order) + rooms == lines > 100
    return order


def test_five_equations_are_the_code_of_their_files():
    """Line by line, and not only somewhere in the file."""
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    section = design.split("## Five equations and their code")[1].split("\n## ")[0]
    found = re.findall(r"`(minisnn/[\w/]+\.py)`\n\n\$\$.*?\$\$\n\n```python\n(.*?)```", section, re.DOTALL)
    assert len(found) == section.count("```python") == 5
    for file, code in found:
        assert code.count("\n") <= 10
        assert code in (ROOT / file).read_text(encoding="utf-8"), file


def test_no_file_and_no_function_is_long():
    """300 lines, 40 beside the docstring; a page of `ops/` stays below 100."""
    for path in [*(ROOT / "minisnn").rglob("*.py"), *(ROOT / "data_loaders").rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= (99 if path.is_relative_to(ROOT / "minisnn/ops") else 300), path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                lines = node.end_lineno - node.lineno + 1
                lines -= len((ast.get_docstring(node, clean=False) or "").splitlines())
                assert lines <= 40, f"{path}: {node.name} has {lines} lines"


def test_every_fast_file_says_where_it_is_explained_and_what_holds_it():
    for path in (ROOT / "minisnn/faster").glob("[!_]*.py"):
        head = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert re.search(r"[Cc]hapters? \d\d|docs/design\.md", head), path
        held = re.findall(r"tests/test_\w+\.py", head)
        assert held, path
        assert all((ROOT / test).is_file() for test in held), path


def test_only_the_fast_walk_knows_stages_by_their_class():
    """Elsewhere stages are asked: they carry their facts. Only those made of stages are known, by whoever walks."""
    stages = {
        node.name
        for path in (ROOT / "minisnn/networks/stages").glob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name not in ("Stage", "Plain", "Arrivals")
    }
    assert {"Conv", "LIF", "BatchNorm", "Repeat", "PLIF", "RecurrentLIF", "Dropout"} <= stages
    knowing = {
        path.name
        for path in (ROOT / "minisnn").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("isinstance", "issubclass")
        if stages & {name.id for name in ast.walk(node.args[1]) if isinstance(name, ast.Name)}
    }
    assert knowing == {"walk.py"}


def test_a_file_imports_only_from_files_below_it():
    """The order of the house in docs/design.md."""
    order = places_in_the_house()

    def place(module):
        """Of the file, or of the folder that the page lists as one."""
        while module not in order and "." in module:
            module = module.rpartition(".")[0]
        return order.get(module)

    for path in sorted([*(ROOT / "minisnn").rglob("*.py"), *(ROOT / "data_loaders").rglob("*.py")]):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if module.endswith("__"):
            continue
        room = module.rpartition(".")[0]
        is_one_line = room in order and not any(other.startswith(f"{room}.") for other in order)
        assert module in order or is_one_line, f"{module} is not in docs/design.md"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            parent = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            if parent.partition(".")[0] in ("minisnn", "data_loaders"):
                for alias in node.names:
                    imported = f"{parent}.{alias.name}"
                    imported = imported if imported in order else parent
                    same = place(imported) == place(module)
                    if (
                        "." in imported and not same and not module.startswith(f"{imported}.")
                    ):  # a room's own first page
                        assert place(imported) > place(module), f"{module} imports {imported}"
