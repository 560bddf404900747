"""The site that `make site` built, in Chromium: its links, its notebooks, its playground.

`make test-site` runs these tests. They are skipped without a site that has its own copy of Pyodide, and without
Chromium.
"""

import json
import re
import sys
import time
from pathlib import Path

import built_pages
import nbformat
import pytest
from browsing import served

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "build" / "site"
STUDENTS = sorted((ROOT / "chapters" / "exercises").glob("*.ipynb"))
TEACHERS = sorted((ROOT / "teacher" / "notebooks").glob("*.ipynb"))
RUN_ALL = "() => jupyterapp.commands.execute('notebook:run-all-cells')"
CELLS = """() => jupyterapp.shell.currentWidget.content.model.toJSON().cells
    .filter(c => c.cell_type == 'code')
    .map(c => ({source: [c.source].flat().join(''), tags: c.metadata.tags || [], count: c.execution_count,
                outputs: c.outputs}))"""
ANSWER = """async ([name, answer]) => {
    const {content, sessionContext} = jupyterapp.shell.currentWidget;
    const place = tag => content.model.cells.length && [...Array(content.model.cells.length).keys()].find(n => {
        const cell = content.model.cells.get(n), tags = cell.getMetadata('tags') || [];
        return tags.includes(tag) && cell.sharedModel.source.includes(name);
    });
    content.model.cells.get(place('task')).sharedModel.setSource(`${name} = ${answer}`);
    for (const tag of ['task', 'check']) {
        content.activeCellIndex = place(tag);
        await jupyterapp.commands.execute('notebook:run-cell');
    }
    return {outputs: content.model.cells.get(place('check')).toJSON().outputs};
}"""
SCROLL = """text => {
    const {content} = jupyterapp.shell.currentWidget, cells = [...content.model.cells];
    content.activeCellIndex = cells.findIndex(cell => cell.sharedModel.source.includes(text));
    return content.scrollToItem(content.activeCellIndex);
}"""
STATUS = "() => jupyterapp.shell.currentWidget.sessionContext?.session?.kernel?.status"
MINUTES = 60_000  # in milliseconds


@pytest.fixture
def site(monkeypatch):
    """scripts/site.py, under another name than Python's own module."""
    import importlib.util

    monkeypatch.syspath_prepend(ROOT / "scripts")
    spec = importlib.util.spec_from_file_location("build_site", ROOT / "scripts" / "site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def whole(folder, packages):
    """A folder that looks like Pyodide: packages by name, with what they depend on."""
    folder.mkdir(exist_ok=True)
    lock = {
        "packages": {name: {"file_name": f"{name}.whl", "depends": needs} for name, needs in packages.items()}
    }
    (folder / "pyodide-lock.json").write_text(json.dumps(lock))
    for name in [*(f"{name}.whl" for name in packages), *CORE]:
        (folder / name).write_text(name)
    return folder


CORE = ["pyodide.js", "pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip"]
PACKAGES = {
    "numpy": ["openblas"], "openblas": [], "scipy": ["NumPy"], "matplotlib": [], "pillow": [], "threadpoolctl": [],
    "micropip": [], "ipython": ["prompt_toolkit"], "prompt-toolkit": [], "pandas": ["numpy"],
}  # fmt: skip


def test_of_pyodide_the_site_takes_what_it_needs(site, tmp_path):
    site.pyodide(whole(tmp_path / "a", PACKAGES), tmp_path / "out")
    found = {path.name for path in (tmp_path / "out").iterdir()}
    assert found == {*CORE, "pyodide-lock.json", *(f"{name}.whl" for name in PACKAGES if name != "pandas")}
    kept = json.loads((tmp_path / "out" / "pyodide-lock.json").read_text())["packages"]
    assert set(kept) == set(PACKAGES) - {"pandas"}


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("pyodide.asm.wasm", "is no whole Pyodide: it has no pyodide.asm.wasm"),
        ("pyodide-lock.json", "is no whole Pyodide: it has no pyodide-lock.json"),
        ("scipy.whl", r"lists scipy.whl, which is not in"),
    ],
)
def test_a_broken_pyodide_is_refused_in_one_sentence(site, tmp_path, lost, said):
    (whole(tmp_path, PACKAGES) / lost).unlink()
    with pytest.raises(site.SiteError, match=said):
        site.pyodide(tmp_path, tmp_path / "out")


def test_the_core_alone_is_refused(site, tmp_path):
    with pytest.raises(
        site.SiteError, match="lists no package numpy: minisnn needs Pyodide's full distribution"
    ):
        site.pyodide(whole(tmp_path, {"micropip": []}), tmp_path / "out")


def test_notebooks_install_minisnn_first(site, tmp_path):
    site.notebooks(tmp_path / "out")
    names = [path.name for path in STUDENTS]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    notebook = nbformat.read(tmp_path / "out" / "07_lif.ipynb", as_version=4)
    assert "%pip install -q minisnn" in notebook.cells[0].source
    assert notebook.metadata.kernelspec.name == "python"
    nbformat.validate(notebook)


@pytest.fixture(scope="module")
def address():
    if not (SITE / "index.html").is_file():
        pytest.skip("there is no site: run `make site PYODIDE=FOLDER`")
    if not (SITE / "pyodide").is_dir():
        pytest.skip("the site has no Pyodide of its own: run `make site PYODIDE=FOLDER`")
    with served(SITE) as where:
        yield where


@pytest.fixture
def tab(chromium, address):
    """A page in a fresh browser. At the end: nothing was asked of other hosts, and the console has no error."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page, found = context.new_page(), []
    here = (address, "data:", "blob:", address.replace("http", "ws"))
    context.route(lambda url: not url.startswith(here), lambda route: route.abort())
    context.on("request", lambda r: r.url.startswith(here) or found.append(f"asks for {r.url}"))
    context.on("console", lambda m: m.type == "error" and found.append(f"console: {m.text}"))
    context.on("weberror", lambda error: found.append(f"script: {error.error}"))
    context.on("response", lambda r: r.status < 400 or found.append(f"{r.status} {r.url}"))
    yield page
    context.close()
    assert found == []


def opened(tab, address, name):
    """A notebook whose kernel has started."""
    tab.goto(f"{address}lite/notebooks/index.html?path={name}")
    tab.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.content?.model?.cells?.length > 3")
    tab.wait_for_function(f"() => ({STATUS})() == 'idle'", timeout=2 * MINUTES)


def run_all(tab):
    """Run every cell; the code cells with what they show."""
    tab.evaluate(RUN_ALL)
    return tab.evaluate(CELLS)


def shown(cell):
    """The text that a cell shows."""
    texts = [out.get("text") or out.get("data", {}).get("text/plain") or "" for out in cell["outputs"]]
    return "".join("".join(text) for text in texts)


def errors(cells):
    return [f"{cell['source'][:60]}: {out['ename']}: {out['evalue']}" for cell in cells
            for out in cell["outputs"] if out["output_type"] == "error"]  # fmt: skip


@pytest.mark.site
def test_links_lead_somewhere(address):
    pages = [
        SITE / "index.html",
        SITE / "playground" / "index.html",
        *built_pages.html(SITE / "book" / "chapters"),
    ]
    for page in pages:
        assert list(built_pages.dead(page, SITE)) == [], page
        assert built_pages.foreign(page) == []


@pytest.mark.parametrize("path", STUDENTS, ids=lambda path: path.stem)
def test_links_of_notebooks_lead_to_notebooks(path):
    """JupyterLite finds no other files."""
    cells = nbformat.read(path, as_version=4).cells
    links = [link for cell in cells if cell.cell_type == "markdown"
             for link in re.findall(r"\]\(([^)\s#]+)", cell.source) if not link.startswith("http")]  # fmt: skip
    assert set(links) <= {path.name for path in STUDENTS}


@pytest.mark.site
def test_the_book_opens_the_notebook_of_its_chapter(tab, address):
    tab.goto(f"{address}book/chapters/07_lif.html")
    tab.click("text=open this chapter in your browser")
    tab.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.content?.model?.cells?.length > 3")
    assert "07 The leaky membrane" in tab.inner_text(".jp-Notebook")


@pytest.mark.site
def test_sliders_move_the_picture(tab, address):
    opened(tab, address, "07_lif.ipynb")
    run_all(tab)
    tab.evaluate(SCROLL, "touch(firing")
    picture = tab.locator(".widget-output img")
    picture.wait_for()
    before = picture.get_attribute("src")
    box = tab.locator(".noUi-base").first.bounding_box()
    tab.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
    tab.wait_for_function("src => document.querySelector('.widget-output img')?.src != src", arg=before)
    assert tab.locator(".widget-readout").first.inner_text() == "0.80"


@pytest.mark.site
def test_a_wrong_answer_is_named_and_the_right_one_passes(tab, address):
    """As a student: the cells before a task, then an answer that divides the wrong way round, then the right one."""
    opened(tab, address, "07_lif.ipynb")
    run_all(tab)
    for answer, said in (("math.log(0.8) / math.log(0.1)", "the fraction stands upside down"),
                         ("math.log(0.1) / math.log(0.8)", "steps_to_a_tenth: right.")):  # fmt: skip
        assert said in shown(tab.evaluate(ANSWER, ["steps_to_a_tenth", answer]))


@pytest.mark.site
@pytest.mark.parametrize("path", STUDENTS, ids=lambda path: path.stem)
def test_a_student_s_notebook_runs(tab, address, path):
    """To the end: the checks of tasks that wait for an answer say so."""
    opened(tab, address, path.name)
    cells = run_all(tab)
    assert errors(cells) == []
    checks = [cell for cell in cells if "check" in cell["tags"]]
    assert len(checks) >= 3
    assert all(shown(cell) for cell in checks)


@pytest.mark.site
@pytest.mark.parametrize("path", TEACHERS, ids=lambda path: path.stem)
def test_a_teacher_s_notebook_runs(tab, address, path, site):
    """The solutions pass, in place of the student's cells."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(site.INSTALL))
    body = nbformat.writes(notebook)
    tab.context.route(
        f"**/files/{path.name}*", lambda route: route.fulfill(body=body, content_type="application/json")
    )
    opened(tab, address, path.name)
    cells = run_all(tab)
    assert errors(cells) == []
    checks = [shown(cell) for cell in cells if "check" in cell["tags"]]
    assert checks
    assert [text for text in checks if ": right" not in text] == []


READY = "() => document.querySelector('#status').textContent.startsWith('Ready')"


@pytest.mark.site
def test_the_playground_learns(tab, address):
    """Above 90 % within a minute after the page was opened; drawn by keyboard alone, a digit gets an answer."""
    tab.goto(f"{address}playground/index.html")
    began = time.monotonic()
    tab.wait_for_function(READY, timeout=MINUTES)
    tab.locator("#start").press("Enter")
    tab.wait_for_function(
        "() => [...document.querySelectorAll('#log td:nth-child(2)')].some(cell => Number(cell.innerText) > 90)",
        timeout=MINUTES,
    )
    assert time.monotonic() - began < 60
    tab.locator("#clear").press("Enter")
    tab.locator("#pad [tabindex='0']").focus()
    for key in ["ArrowRight"] * 3 + ["Space", "ArrowDown"] * 7 + ["Space"]:  # a stroke downwards
        tab.keyboard.press(key)
    tab.wait_for_function("() => /The net says|No output/.test(document.querySelector('#answer').innerText)")


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-m", "site"]))
