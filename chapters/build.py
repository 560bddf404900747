"""Build what readers open from the chapters' one source, chapters/NN_topic.md.

    python chapters/build.py [NN ...]     all chapters, or those whose numbers are given

Writes three notebooks of each: notebooks/NN_topic.ipynb, executed, to read; exercises/NN_topic.ipynb, to work
through; and, where teacher/NN_topic.py has the solutions, teacher/notebooks/NN_topic.ipynb with them. Cells with the
tag `task` are for an answer, cells with the tag `check` look at it: neither is executed in the copy to read.
Writes start.ipynb, the page that `make lab` opens, and the tables of README.md
and docs/teaching.md, too: all are made of the chapters' titles, their `question:` and the line with the reading time
and what they build on.
"""

from __future__ import annotations

import os
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import jupytext
import nbformat
from markdown_it import MarkdownIt
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import tasks  # noqa: E402 - a neighbour, also where a test loads this file by its path
import teaching  # noqa: E402

TEACHER = HERE.parent / "teacher"
CODE_OR_LINK = re.compile(
    r"(```.*?```|`[^`]*`)"  # code is left alone
    r"|(\]\(<?|^\[[^\]]+\]: *|\b(?:href|src)=\")([^\s()<>\"]+)",  # [text](target), [name]: target, HTML
    re.MULTILINE | re.DOTALL,
)
HEADER = re.compile(r"^\*Reading time (\d+) minutes[^.]*\. (Builds on .*?)\*$", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"(?<=<!-- chapters -->\n).*(?=<!-- end chapters -->)", re.DOTALL)
NBFORMAT_MINOR = 5
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
INLINE = "module://matplotlib_inline.backend_inline"
START = """\
# Start here

This is the course of minisnn: {count} chapters. Each derives one equation, types it naively, checks it against the
library, draws it, breaks it on purpose, and ends with exercises.

1. Run the cell below: click on it and press Shift and Enter. It says whether everything is in place.
2. Open the notebook [{first}](notebooks/{file}) and run its cells one by one, in the same way.
3. Open its [exercises](exercises/{file}): the same text, with cells that wait for your answer. It stands in place of
   each `...`; the check below says what is wrong, with the smallest case that shows it.
   Save it under a name of your own ("File", "Save Notebook As…"): `make chapters` writes the exercises anew.
4. Go on with any chapter whose last column is empty or holds only chapters that you know."""
SETUP = """\
import minisnn
from minisnn import load_digits

digits = load_digits().train.labels
print(f"minisnn {minisnn.__version__} is in place, with {len(digits):,} handwritten digits to learn.")"""


class Chapter(NamedTuple):
    """What the tables say of a chapter."""

    source: Path
    title: str
    question: str
    minutes: int
    builds_on: tuple[str, ...]  # numbers of chapters

    @property
    def number(self) -> str:
        return self.source.name[:2]


def sources() -> list[Path]:
    """The chapters, in order."""
    return sorted(HERE.glob("[0-9][0-9]_*.md"))


def chapter(source: Path) -> Chapter:
    """A chapter's title, question, reading time, and the chapters that it builds on. Raises ValueError."""
    notebook = jupytext.read(source, fmt="md:myst")
    text = notebook.cells[0].source
    title, header = re.search(r"^# (.*)$", text, re.MULTILINE), HEADER.search(text)
    question = notebook.metadata.get("question")
    if not title or not header or not question:
        raise ValueError(
            f"{source.name}: expected `question: ...` in the front matter, a title, and a paragraph "
            "'*Reading time N minutes. Builds on [...](...).*' in the first cell"
        )
    needed = () if "no other chapter" in header[2] else tuple(re.findall(r"\]\((\d\d)_\w+\.md\)", header[2]))
    return Chapter(source, title[1], question, int(header[1]), needed)


def below(number: str, chapters: dict[str, Chapter]) -> set[str]:
    """The numbers of all chapters that one builds on, directly or not."""
    found: set[str] = set()
    waiting = [number]
    while waiting:
        new = set(chapters[waiting.pop()].builds_on) - found
        found |= new
        waiting += new
    return found


def index() -> str:
    """The table of chapters in README.md."""
    chapters = {c.number: c for c in map(chapter, sources())}
    lines = ["| chapter | the question | minutes | builds on | with all of these, minutes |",
             "| --- | --- | ---: | --- | ---: |"]  # fmt: skip
    for number, c in chapters.items():
        needed = ", ".join(f"[{n}]({chapters[n].source.name})" for n in c.builds_on)
        together = c.minutes + sum(chapters[n].minutes for n in below(number, chapters))
        lines.append(f"| [{c.title}]({c.source.name}) | {c.question} | {c.minutes} | {needed} | {together} |")
    return "\n".join(lines) + "\n"


def start() -> nbformat.NotebookNode:
    """The page that `make lab` opens: what to do first, and every chapter as notebook and as exercise."""
    chapters = [chapter(source) for source in sources()]
    lines = ["| chapter | the question | minutes | notebook | exercise | builds on |",
             "| --- | --- | ---: | --- | --- | --- |"]  # fmt: skip
    for c in chapters:
        name = f"{c.source.stem}.ipynb"
        lines.append(
            f"| {c.title} | {c.question} | {c.minutes} | [notebook](notebooks/{name}) "
            f"| [exercise](exercises/{name}) | {', '.join(c.builds_on)} |"
        )
    first = chapters[0]
    text = START.format(count=len(chapters), first=first.title, file=f"{first.source.stem}.ipynb")
    make = nbformat.v4
    cells = [
        make.new_markdown_cell(text),
        make.new_code_cell(SETUP),
        make.new_markdown_cell("\n".join(lines)),
    ]
    metadata = {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}
    return _number(make.new_notebook(cells=cells, metadata=metadata))


def _number(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Cell ids that do not change from build to build."""
    notebook.nbformat_minor = NBFORMAT_MINOR
    for n, cell in enumerate(notebook.cells):
        cell.id = f"cell-{n}"
    return notebook


def read(source: Path, folder: str) -> nbformat.NotebookNode:
    """The chapter as a notebook without outputs, with links as they lead from `folder`, a folder in this one."""
    notebook = jupytext.read(source, fmt="md:myst")
    notebook.metadata = {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = CODE_OR_LINK.sub(lambda m: m[1] or m[2] + _moved(source, m[3], folder), cell.source)
    return _number(notebook)


def _moved(source: Path, target: str, folder: str) -> str:
    """Where a link of a source leads from a notebook in `folder`. Chapters become the notebooks of that folder.

    Raises ValueError for a link to a file or a heading that is not there.
    """
    path, _, anchor = target.partition("#")
    if "://" in path or path.startswith("mailto:"):
        return target
    page = (source.parent / path).resolve() if path else source
    chapters = sources()
    if not page.exists():
        raise ValueError(f"{source.name} links to {target}: there is no {page}")
    if anchor and page in chapters:
        headings = {slug(text): text for text in _headings(page)}
        if anchor not in headings:
            raise ValueError(f"{source.name} links to {target}: {page.name} has no such heading")
        anchor = jupyter_id(headings[anchor])
    if page in chapters:
        page = HERE / folder / f"{page.stem}.ipynb"
    path = Path(os.path.relpath(page, HERE / folder)).as_posix() if path else ""
    return f"{path}#{anchor}" if anchor else path


def slug(heading: str) -> str:
    """The anchor that GitHub gives to a heading of a Markdown file."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def jupyter_id(heading: str) -> str:
    """The anchor that Jupyter, and GitHub in notebooks, give to a heading."""
    return heading.replace(" ", "-")


def _headings(source: Path) -> list[str]:
    """The headings of a chapter as a reader sees them."""
    _, _, text = source.read_text(encoding="utf-8").split("---\n", 2)  # without the front matter
    tokens = MarkdownIt().parse(text)
    titles = (after for token, after in pairwise(tokens) if token.type == "heading_open")
    return ["".join(part.content for part in title.children or ()) for title in titles]


def execute(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same with outputs. Raises nbclient's CellExecutionError where a cell fails.

    Pictures appear in the notebook whatever MPLBACKEND says, and without sliders. The kernel reports errors
    alone: it would warn, at every start, that it talks to this process through an open port of this machine.
    """
    client = NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],
    )
    client.execute(env=os.environ | {"MPLBACKEND": INLINE, "MINISNN_STATIC": "1"})
    _describe_pictures(notebook)
    notebook.metadata["language_info"] = {"name": "python"}  # not this machine's version
    return notebook


def _describe_pictures(notebook: nbformat.NotebookNode) -> None:
    """Give every picture the alternative text that its cell declares."""
    for cell in notebook.cells:
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
        for output in cell.get("outputs", []) if alt else []:
            if "image/png" in output.get("data", {}):
                output.metadata["image/png"] = {**output.metadata.get("image/png", {}), "alt": alt}


def reading(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same, executed, but for the cells that wait for an answer."""
    return execute(tasks.skipped(notebook))


def main(numbers: list[str]) -> None:
    """Build the chapters of these numbers, or all; and the pages that lead to them."""
    readme = HERE / "README.md"
    readme.write_text(TABLE.sub(lambda _: index(), readme.read_text(encoding="utf-8")), encoding="utf-8")
    nbformat.write(start(), HERE / "start.ipynb")
    chapters = {c.number: c for c in map(chapter, sources())}
    teaching.PAGE.write_text(teaching.page(chapters), encoding="utf-8")
    for source in sources():
        if numbers and source.name[:2] not in numbers:
            continue
        for folder, make in (("exercises", tasks.gradable), ("notebooks", reading)):
            path = HERE / folder / f"{source.stem}.ipynb"
            path.parent.mkdir(exist_ok=True)
            nbformat.write(make(read(source, folder)), path)
        notebook = tasks.solved(read(source, "../teacher/notebooks"), TEACHER / f"{source.stem}.py")
        nbformat.write(execute(_number(notebook)), TEACHER / "notebooks" / f"{source.stem}.ipynb")
        print(f"{source.name}: built")


if __name__ == "__main__":
    main(sys.argv[1:])
