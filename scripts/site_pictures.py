"""Pictures of the site: a newcomer's path from the first page to the first right answer, and the playground.

make site PYODIDE=folder && python scripts/site_pictures.py       writes docs/results/site/*.png and loads.json

loads.json says what a first visit takes: megabytes, as the files are (a server may compress them), and seconds.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, Response

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "results" / "site"
sys.path.insert(0, str(ROOT / "tests"))
import test_site  # noqa: E402 - knows how to open a notebook and to answer a task
from browsing import browser, served  # noqa: E402

WRONG, RIGHT = "math.log(0.8) / math.log(0.1)", "math.log(0.1) / math.log(0.8)"


def path(tab: Page, where: str) -> None:
    """Five steps: the site, a chapter of the book, its notebook, a wrong answer, the right one."""
    tab.goto(where)
    tab.screenshot(path=OUT / "path-1-site.png")
    tab.goto(f"{where}book/chapters/07_lif.html")
    tab.wait_for_timeout(1500)  # for MathJax
    tab.screenshot(path=OUT / "path-2-chapter.png")
    test_site.opened(tab, where, "07_lif.ipynb")
    tab.screenshot(path=OUT / "path-3-notebook.png")
    test_site.run_all(tab)
    for n, (answer, name) in enumerate(((WRONG, "wrong"), (RIGHT, "right")), 4):
        tab.evaluate(test_site.ANSWER, ["steps_to_a_tenth", answer])
        tab.evaluate(test_site.SCROLL, "check(steps_to_a_tenth")
        tab.wait_for_timeout(1500)
        tab.screenshot(path=OUT / f"path-{n}-{name}.png")


def playground(tab: Page, where: str, name: str) -> None:
    """The page after its nets have learned, and after a training with rewiring."""
    tab.goto(f"{where}playground/index.html")
    tab.wait_for_function(
        "() => document.querySelector('#status').textContent.startsWith('Ready')", timeout=180_000
    )
    tab.click("#start")
    tab.wait_for_timeout(45_000)
    tab.screenshot(path=OUT / f"{name}.png", full_page=True)


def first_visit(chromium: Browser, where: str) -> dict[str, dict[str, float]]:
    """What a fresh browser loads until a notebook has minisnn, and until the playground is ready."""
    found = {}
    for name in ("notebook", "playground"):
        tab, sizes, began = chromium.new_context().new_page(), dict[str, int](), time.perf_counter()

        def arrived(
            r: Response, sizes: dict[str, int] = sizes
        ) -> None:  # twice for what a service worker passes on
            sizes[r.url] = int(r.headers.get("content-length", 0))

        tab.context.on("response", arrived)
        if name == "notebook":
            test_site.opened(tab, where, "07_lif.ipynb")
            tab.evaluate("() => jupyterapp.commands.execute('notebook:run-cell')")
        else:
            tab.goto(f"{where}playground/index.html")
            tab.wait_for_function(test_site.READY, timeout=180_000)
        seconds = time.perf_counter() - began
        tab.context.close()
        found[name] = {"megabytes": round(sum(sizes.values()) / 2**20, 1), "seconds": round(seconds, 1)}
    return found


def main() -> None:
    """All of them."""
    OUT.mkdir(parents=True, exist_ok=True)
    with served(test_site.SITE) as where, browser() as chromium:
        size = sum(path.stat().st_size for path in test_site.SITE.rglob("*") if path.is_file())
        loads = {"site": {"megabytes": round(size / 2**20, 1)}} | first_visit(chromium, where)
        (OUT / "loads.json").write_text(json.dumps(loads, indent=1) + "\n")
        for size, scheme, name in (((1100, 800), "light", ""), ((375, 812), "dark", "playground-phone-dark")):
            width, height = size
            context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            tab = context.new_page()
            if not name:
                path(tab, where)
            playground(tab, where, name or "playground")
            context.close()
    for picture in OUT.glob("*.png"):  # in 128 colours they take a third
        Image.open(picture).convert("RGB").quantize(128).save(picture, optimize=True)


if __name__ == "__main__":
    main()
