"""The book: the chapters, the pages of docs/ and the code they link to, as HTML in build/book.

python scripts/book.py [--launch ADDRESS --out FOLDER]

Sphinx reads one folder, so the pages are gathered in build/book-pages first, with their links as they lead there.
Chapters come from the executed notebooks; nothing is executed again. Code that a page links to gets a page of its own,
other files are copied; nothing of teacher/ is in the book, and links into it become plain text.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import nbformat
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "chapters"))
import build  # noqa: E402 - chapters/build.py knows links and anchors

PAGES = ROOT / "build" / "book-pages"
HTML = ROOT / "build" / "book"
CACHE = ROOT / "build" / "book-cache"
BOOK = ROOT / "docs" / "book"

PARTS = {  # what the contents show, in order; a page of docs/ that is not named here comes last
    "The course": ["chapters/index", "chapters/[0-9]*"],
    "To look up": ["notation", "equations"],
    "To use": ["snippets", "data", "extend", "grids"],
    "Every function": ["reference/index", "reference/*"],
    "Evidence": ["results/index", "speed"],
    "To teach": ["teaching", "site"],
    "How it is built": ["design", "*"],
}
LINK_TO_TEACHER = re.compile(r"\[([^\]]+)\]\((?:\.\./)*teacher(?:/[^)]*)?\)")
INLINE_MATH = re.compile(r"\$`([^`]+)`\$")  # as git hosts write it
GOALS = re.compile(r"^\*\*After this chapter you can\*\* (.*?)(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)
CODE = {".py": "python", ".pyi": "python", ".sh": "bash", ".toml": "toml", ".cff": "yaml", "": "text"}


def sources() -> dict[Path, str]:
    """Every page of the book as it stands in the repository, and where it stands in the book."""
    docs = sorted(path for path in ROOT.glob("docs/**/*.md") if BOOK not in path.parents)
    found = {BOOK / "index.md": "index", ROOT / "chapters" / "README.md": "chapters/index"}
    found[ROOT / "CONTRIBUTING.md"] = "contributing"
    found[ROOT / "LICENSE-text.md"] = "licence-text"
    for path in docs:
        name = path.relative_to(ROOT / "docs").with_suffix("").as_posix()
        found[path] = re.sub(r"README$", "index", name)
    for source in build.sources():
        found[source.parent / "notebooks" / f"{source.stem}.ipynb"] = f"chapters/{source.stem}"
    return found


class Gathering:
    """Writes the pages into one folder, and all that they link to."""

    def __init__(self, folder: Path, launch: str = "") -> None:
        self.folder = folder
        self.launch = launch  # what opens a notebook in the browser, to which its name is added
        self.pages = sources()
        self.waiting: list[Path] = []  # code and folders that still need a page
        self.done: dict[Path, str] = {}

    def run(self) -> None:
        """Every page, then the pages of the code that they lead to."""
        for source, name in self.pages.items():
            out = self.folder / f"{name}{source.suffix}"
            out.parent.mkdir(parents=True, exist_ok=True)
            if source.suffix == ".ipynb":
                nbformat.write(self.notebook(source, name), out)
            else:
                end = contents(self.pages.values()) if name == "index" else ""
                out.write_text(
                    self.text(source.read_text(encoding="utf-8"), source, name) + end, encoding="utf-8"
                )
        while self.waiting:
            self.code_page(self.waiting.pop())

    def notebook(self, source: Path, name: str) -> nbformat.NotebookNode:
        """A chapter: its links, its goals in a box, and the way to its exercises."""
        notebook = nbformat.read(source, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = self.text(cell.source, source, name)
        exercises = self.moved("../exercises/" + source.name, source, name)
        work = f"To work through: the same chapter with [cells that wait for your answers]({exercises}), a notebook."
        if self.launch:
            here = f"launch:{self.launch}{source.name}"
            work = (
                f"To work through: [open this chapter in your browser]({here}), with cells that wait for your answers. "
                f"Nothing has to be installed. Or take [the notebook]({exercises}) with you."
            )
        first = notebook.cells[0]
        first.source = GOALS.sub(_box, first.source, count=1)
        header = build.HEADER.search(first.source)
        if header:
            first.source = f"{first.source[: header.end()]}\n\n{work}{first.source[header.end() :]}"
        return notebook

    def text(self, text: str, source: Path, name: str) -> str:
        """The text of a page with its links as they lead in the book."""
        text = INLINE_MATH.sub(r"$\1$", LINK_TO_TEACHER.sub(r"\1", text))
        return build.CODE_OR_LINK.sub(lambda m: m[1] or m[2] + self.moved(m[3], source, name), text)

    def moved(self, target: str, source: Path, name: str) -> str:
        """Where a link of a page leads in the book: to a page, to the page of some code, or to a copy."""
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target) or not path:
            return f"#{build.slug(anchor)}" if not path else target
        there = (source.parent / path).resolve()
        if there.parent == ROOT / "chapters" and there.suffix == ".md" and there.name != "README.md":
            there = there.parent / "notebooks" / f"{there.stem}.ipynb"
        here = Path(name).parent
        if not there.exists():  # no link, or one that Sphinx will refuse
            return target
        if there in self.pages:
            found = self.pages[there] + there.suffix
            return os.path.relpath(found, here) + (f"#{build.slug(anchor)}" if anchor else "")
        copy = os.path.relpath(self.stand_in(there), here)
        if line := re.fullmatch(
            r"L(\d+)", anchor
        ):  # a line of code: Sphinx does not know its name, a browser does
            return f"line:{copy.removesuffix('.md')}.html#L-{line[1]}"
        return f"path:{copy}" if copy.endswith(".ipynb") else copy  # a notebook to download, not a page

    def stand_in(self, there: Path) -> str:
        """Where in the book a file or folder of the repository is, of which no page is made by hand."""
        if there.is_relative_to(ROOT / "teacher"):
            raise ValueError(f"a page links to {there}, and solutions are not in the book")
        if there not in self.done:
            path = there.relative_to(ROOT).as_posix()
            if there.is_dir() or (there.suffix in CODE and there.is_file()):
                self.done[there] = f"source/{path}{'/index' if there.is_dir() else ''}.md"
                self.waiting.append(there)
            else:  # Sphinx offers it as a download, or shows it as a picture
                self.done[there] = f"files/{path}"
                copy = self.folder / self.done[there]
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(there, copy)
        return self.done[there]

    def code_page(self, there: Path) -> None:
        """The page of a file of code, or of a folder with links to its files."""
        name = self.done[there]
        title = there.relative_to(ROOT).as_posix()
        lines = ["---", "orphan: true", "nosearch: true", "---", f"# `{title}`", ""]
        if there.is_dir():
            inside = sorted(path for path in there.iterdir() if path.is_file() and path.stat().st_size)
            lines += [f"- [`{path.name}`]({self.moved(str(path), there, name)})" for path in inside]
        else:
            lines += ["``````{raw} html", highlighted(there), "``````"]
        out = self.folder / name
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text("\n".join([*lines, ""]), encoding="utf-8")


def highlighted(code: Path) -> str:
    """A file of code as HTML, with a name for each line."""
    lexer = get_lexer_by_name(CODE[code.suffix], stripnl=False)
    formatter = HtmlFormatter(linenos="inline", lineanchors="L")
    html = highlight(code.read_text(encoding="utf-8"), lexer, formatter)
    return f'<div class="highlight-default notranslate">{html}</div>'


def _box(goals: re.Match[str]) -> str:
    return f":::{{admonition}} After this chapter you can\n:class: tip\n\n{goals[1]}\n:::"


def contents(names: Iterable[str]) -> str:
    """The table of contents, part by part; nothing of it is shown on the page itself."""
    left, lines = sorted(names), []
    left.remove("index")
    for caption, patterns in PARTS.items():
        inside = []
        for pattern in patterns:
            found = [
                name for name in left if Path(name).match(pattern) and name.count("/") == pattern.count("/")
            ]
            inside += found
            left = [name for name in left if name not in found]
        if inside:
            lines += ["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *inside, "```"]
    if left:
        raise ValueError(f"no part of the book has a place for {', '.join(left)}")
    return "\n".join([*lines, ""])


def prune_mathjax(html: Path) -> None:
    """Leave of MathJax what the pages load: one script, its fonts, what it adds for rare commands."""
    folder = html / "_static" / "mathjax"
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith(
            ("tex-chtml.js", "output/chtml/fonts", "input/tex/extensions")
        ):
            path.unlink()


def main() -> int:
    """Gather the pages and build the book. Warnings are errors."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=HTML, metavar="FOLDER", help="(build/book)")
    parser.add_argument(
        "--launch", default="", metavar="ADDRESS", help="what opens a chapter, before its name"
    )
    arguments = parser.parse_args()
    for folder in (PAGES, arguments.out, CACHE):
        shutil.rmtree(folder, ignore_errors=True)
    Gathering(PAGES, arguments.launch).run()
    sphinx = [sys.executable, "-m", "sphinx", "-b", "html", "-c", BOOK, "-d", CACHE]
    failed = subprocess.call([*sphinx, "-W", "--keep-going", "-q", PAGES, arguments.out])
    prune_mathjax(arguments.out)
    if not failed:
        print(f"The book is in {(arguments.out / 'index.html').resolve().relative_to(ROOT)}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
