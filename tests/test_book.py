"""The book: what is gathered for it, and every page that `make book` built, read as a file and seen in Chromium."""

import re
from itertools import pairwise
from pathlib import Path

import built_pages
import nbformat
import pytest
from browsing import faults, served

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "build" / "book"
PAGES = [path.relative_to(BOOK).as_posix() for path in built_pages.html(BOOK)]
CHAPTERS = [page for page in PAGES if re.match(r"chapters/\d", page)]
DESKTOP, PHONE = (1280, 900), (375, 812)


@pytest.fixture
def book(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import book

    return book


@pytest.fixture
def gathered(book, tmp_path):
    """The folder that Sphinx would read."""
    book.Gathering(tmp_path).run()
    return tmp_path


def written():
    """What teacher/ knows and a student should find out: the code of every solution."""
    import tasks  # of chapters/, which scripts/book.py puts on the path

    for path in sorted((ROOT / "teacher").glob("*.py")):
        for name, text in tasks._segments(path.read_text(encoding="utf-8")).items():
            if name not in ("NOTES", "MINUTES", "ANSWERS") and len(text) > 30:
                yield text


def solutions():
    """The same, each on one line."""
    return (" ".join(text.split()) for text in written())


def plain(path):
    """The text of a page, of a notebook or of code, on one line."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join(cell.source for cell in nbformat.reads(text, as_version=4).cells)
    return " ".join(text.split())


def test_no_solution_is_in_the_book(gathered):
    texts = {path: plain(path) for path in gathered.rglob("*") if path.suffix in (".md", ".ipynb")}
    hidden = list(solutions())
    assert len(texts) > 60
    assert len(hidden) > 3
    assert [path for path, text in texts.items() if any(line in text for line in hidden)] == []
    assert not [path for path in gathered.rglob("*") if "teacher" in path.relative_to(gathered).parts]


def test_a_solution_in_a_notebook_would_be_found(gathered, tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1\n\n" + next(written()))])
    nbformat.write(notebook, tmp_path / "a.ipynb")
    assert any(line in plain(tmp_path / "a.ipynb") for line in solutions())


def test_links_lead_to_pages_code_or_copies(book, tmp_path):
    gathering = book.Gathering(tmp_path)
    source, name = ROOT / "chapters" / "notebooks" / "07_lif.ipynb", "chapters/07_lif"
    for target, moved in {
        "08_fire.ipynb#The-question": "08_fire.ipynb#the-question",
        "../../docs/notation.md": "../notation.md",
        "../../minisnn/ops/lif.py": "../source/minisnn/ops/lif.py.md",
        "../../minisnn/ops/lif.py#L7": "line:../source/minisnn/ops/lif.py.html#L-7",
        "../../minisnn/ops": "../source/minisnn/ops/index.md",
        "../exercises/07_lif.ipynb": "path:../files/chapters/exercises/07_lif.ipynb",
        "../../docs/results/demo.png": "../files/docs/results/demo.png",
        "#Break-it": "#break-it",
        "https://example.org/a#B": "https://example.org/a#B",
        "../nowhere.md": "../nowhere.md",  # for Sphinx to refuse
    }.items():
        assert gathering.moved(target, source, name) == moved
    text = "see [solutions](../teacher), [one](../teacher/07_lif.py) and $`x`$"
    assert gathering.text(text, source, name) == "see solutions, one and $x$"
    with pytest.raises(ValueError, match="solutions are not in the book"):
        gathering.text('<a href="../../teacher/07_lif.py">one</a>', source, name)


def test_every_page_has_a_place_in_the_contents(book):
    names = book.sources().values()
    contents = book.contents(names)
    assert all(f"\n{name}\n" in contents for name in names if name != "index")
    with pytest.raises(ValueError, match="no part of the book has a place for odd/page"):
        book.contents(["index", "odd/page"])


GOOD = """<html><head><link rel="stylesheet" href="s.css"></head><body style="background: url('p.png')">
<h1 id="top">A</h1> <a href="#top">up</a> <a href="b.html#there">b</a> <a href="https://example.org">web</a>
<img src="p.png" alt="a picture"> <script src="s.js"></script></body></html>"""


@pytest.mark.parametrize(
    ("good", "bad", "fault"),
    [
        ("", "", None),
        ("#top", "#bottom", "dead"),
        ("b.html#there", "b.html#here", "dead"),
        ("b.html#there", "c.html", "dead"),
        ("b.html#there", "../b.html", "dead"),
        ("s.js", "t.js", "dead"),
        ('src="p.png"', 'src="q.png"', "dead"),
        ('alt="a picture"', "", "undescribed"),
        ('alt="a picture"', 'alt=" "', "undescribed"),
        ('alt="a picture"', 'alt="p.png"', "undescribed"),
        ('"s.css"', '"//example.org/s.css"', "foreign"),
        ('"s.js"', '"https://example.org/s.js"', "foreign"),
        ("url('p.png')", "url(https://example.org/p.png)", "foreign"),
    ],
)
def test_faults_of_pages_are_found(tmp_path, good, bad, fault):
    assert good in GOOD
    page = tmp_path / "a.html"
    page.write_text(GOOD.replace(good, bad) if good else GOOD)
    (tmp_path / "b.html").write_text('<p id="there">b</p>')
    for name in ("s.css", "s.js", "p.png"):
        (tmp_path / name).write_text("@import 'https://example.org/font.css';" if name == "s.css" else "")
    assert built_pages.foreign(tmp_path / "s.css") == ["https://example.org/font.css"]
    assert bool(list(built_pages.dead(page, tmp_path))) == (fault == "dead")
    assert bool(built_pages.foreign(page)) == (fault == "foreign")
    assert bool(built_pages.read(page).undescribed) == (fault == "undescribed")


@pytest.mark.book
def test_every_page_is_built(book):
    missing = [name for name in book.sources().values() if f"{name}.html" not in PAGES]
    assert missing == []
    assert not [path for path in BOOK.rglob("*") if "teacher" in path.relative_to(BOOK).parts]


@pytest.mark.book
@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere_and_pictures_are_described(page):
    path = BOOK / page
    assert list(built_pages.dead(path, BOOK)) == []
    assert built_pages.foreign(path) == []
    assert built_pages.read(path).undescribed == []


@pytest.mark.book
def test_style_sheets_load_nothing_from_elsewhere():
    sheets = list(BOOK.rglob("*.css"))
    assert sheets
    assert [sheet for sheet in sheets if built_pages.foreign(sheet)] == []


@pytest.mark.book
@pytest.mark.parametrize("page", CHAPTERS)
def test_chapters_show_goals_self_tests_and_exercises(page):
    source = (ROOT / page).with_suffix(".md").read_text(encoding="utf-8")
    built, text = built_pages.read(BOOK / page), (BOOK / page).read_text(encoding="utf-8")
    assert ("**After this chapter you can**" in source) == (
        'admonition-title">After this chapter you can<' in text
    )
    assert ("\n## Self-test\n" in source) == ("self-test" in built.ids)
    assert [link for link in built.links if link.endswith(Path(page).stem + ".ipynb")]


@pytest.fixture(scope="session")
def address():
    with served(BOOK) as where:
        yield where


@pytest.mark.book
@pytest.mark.parametrize(("size", "schemes"), [(DESKTOP, ("light", "dark")), (PHONE, ("dark", "light"))])
@pytest.mark.parametrize("page", PAGES)
def test_pages_are_right_in_a_browser(chromium, address, page, size, schemes):
    assert faults(chromium, address, page, size, schemes) == []


@pytest.mark.book
def test_search_in_a_browser_finds(chromium, address):
    tab = chromium.new_page()
    tab.goto(address + "search.html?q=surrogate")
    tab.wait_for_selector("#search-results li a")
    links = tab.eval_on_selector_all("#search-results li a", "all => all.map(e => e.getAttribute('href'))")
    tab.close()
    assert any("chapters/08_fire.html" in link for link in links)


@pytest.mark.book
def test_one_turns_the_pages():
    for page, after in pairwise(CHAPTERS):
        assert built_pages.read(BOOK / page).turns["right-next"] == Path(after).name
        assert built_pages.read(BOOK / after).turns["left-prev"] == Path(page).name


SEEN = """<html><body style="background: white"><main><p>text</p>BODY</main></body></html>"""


@pytest.mark.book
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", None),
        ('<div style="width: 500px">wide</div>', "sideways: DIV"),
        ('<img src="https://example.org/p.png" alt="p">', "asks for https://example.org/p.png"),
        ('<img src="no.png" alt="p">', "404"),
        ("<script>console.error('oh')</script>", "console: oh"),
        ("<script>nothing()</script>", "nothing is not defined"),
        ('<span class="math">\\(x\\)</span>', "not rendered: \\(x\\)"),
        ("<style>body { background: black !important }</style>", "is dark"),
    ],
)
def test_faults_in_a_browser_are_found(chromium, tmp_path, body, said):
    (tmp_path / "a.html").write_text(SEEN.replace("BODY", body))
    (tmp_path / "favicon.ico").write_bytes(b"")
    with served(tmp_path) as where:
        found = faults(chromium, where, "a.html", PHONE, ["light"])
    assert (found == []) if said is None else any(said in fault for fault in found)
