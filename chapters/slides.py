"""Write chapters as slides: `python chapters/slides.py [NN ...]` makes build/slides/NN_topic.html.

They are made of the built notebooks. A slide begins at every heading, and below it the parts appear one by one. Long
code has a slide of its own, a picture stands without the code that draws it, and what is still too long scrolls. The
pages load reveal.js and MathJax from the network; `--reveal FOLDER` names a copy of reveal.js to use in its place.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter
from traitlets.config import Config

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "slides"
HEADING = re.compile(
    r"^(?=#{1,3} |\*\*[A-Z][^*\n]{2,40}\.\*\*)", re.MULTILINE
)  # "## …", and a paragraph's title in bold
LONG = 16  # lines of code that fit below a text
DRAWN = "picture-alone"  # the tag of cells whose code is left out


def slides(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same with text cut at its headings, and with marks that say where a slide begins."""
    cells = []
    for cell in notebook.cells:
        parts = (
            [part for part in HEADING.split(cell.source) if part.strip()]
            if cell.cell_type == "markdown"
            else [None]
        )
        for part in parts:
            piece = cell if part is None else nbformat.v4.new_markdown_cell(part)
            piece.metadata["slideshow"] = {"slide_type": _kind(part, piece.source)}
            if part is None and _draws(piece):
                piece.metadata["slideshow"] = {"slide_type": "fragment"}
                piece.metadata["tags"] = [*piece.metadata.get("tags", []), DRAWN]
            cells.append(piece)
    notebook.cells = cells
    return notebook


def _draws(cell: nbformat.NotebookNode) -> bool:
    return any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))


def _kind(text: str | None, code: str) -> str:
    """Chapters and sections go to the right, what is below them downwards; code follows its text, if there is room."""
    if text is None:
        return "subslide" if code.count("\n") >= LONG else "fragment"
    return "slide" if text.startswith(("# ", "## ")) else "subslide"


def main() -> None:
    """Write the slides of the chapters that are named, or of all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("chapters", nargs="*", metavar="NN")
    parser.add_argument("--reveal", help="a folder or an address with reveal.js")
    arguments = parser.parse_args()
    left_out = {"enabled": True, "remove_input_tags": {DRAWN}}
    exporter = SlidesExporter(config=Config(TagRemovePreprocessor=left_out), reveal_scroll=True)
    if arguments.reveal:
        exporter.reveal_url_prefix = arguments.reveal
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in sorted((ROOT / "chapters" / "notebooks").glob("*.ipynb")):
        if not arguments.chapters or path.name[:2] in arguments.chapters:
            page, _ = exporter.from_notebook_node(slides(nbformat.read(path, as_version=4)))
            (FOLDER / f"{path.stem}.html").write_text(page, encoding="utf-8")
            print(f"{path.stem}: build/slides/{path.stem}.html")


if __name__ == "__main__":
    main()
