"""A folder of pages served on this machine, and what is wrong with a page in a browser."""

import contextlib
import functools
import http.server
import os
import shutil
import threading

import pytest


@contextlib.contextmanager
def browser():
    """A headless Chromium: of the system, or Playwright's. Skips the test where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright comes with `make book`")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    with playwright.sync_playwright() as p:
        if not found and not os.path.exists(p.chromium.executable_path):
            pytest.skip("no Chromium: install one, or run `.venv/bin/playwright install chromium`")
        started = p.chromium.launch(executable_path=found)
        yield started
        started.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@contextlib.contextmanager
def served(folder):
    """The address at which a folder is served."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


LOOK = """async () => {
    document.querySelectorAll("details").forEach(e => e.open = true);
    if (window.MathJax) await MathJax.startup.promise;
    await document.fonts.ready;
    await new Promise(then => requestAnimationFrame(() => setTimeout(then, 60)));  // the theme hears of the dark
    const faults = [], style = e => getComputedStyle(e), root = document.documentElement;
    const isCut = e => e != root && (style(e).overflowX != "visible" || isCut(e.parentElement));
    for (const e of document.querySelectorAll("main .math, article .math"))
        if (!e.querySelector("mjx-container") || e.querySelector("mjx-merror"))
            faults.push("a formula is not rendered: " + e.textContent.trim().slice(0, 60));
    if (root.scrollWidth > innerWidth) {
        const wide = [...document.body.querySelectorAll("*")].filter(
            e => e.getBoundingClientRect().right > innerWidth + 1 && !isCut(e.parentElement));
        const names = wide.map(e => e.tagName + "." + e.className).join(", ");
        faults.push("the page scrolls sideways: " + names.slice(0, 200));
    }
    for (const e of document.images)
        if (e.src && e.complete && !e.naturalWidth) faults.push("a picture is broken: " + e.src.slice(0, 80));
    const [r, g, b] = style(document.body).backgroundColor.match(/[\\d.]+/g).map(Number);
    const isDark = r + g + b < 3 * 128;
    if (isDark != matchMedia("(prefers-color-scheme: dark)").matches) faults.push(isDark ? "is dark" : "is not dark");
    return faults;
}"""


def faults(chromium, where, page, size, schemes):
    """All that is wrong with a page in a window of this size: errors, requests to other hosts, what does not fit."""
    found = []
    width, height = size
    context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=schemes[0])
    tab = context.new_page()
    here = (where, "data:", "blob:")
    tab.route(lambda url: not url.startswith(here), lambda route: route.abort())
    tab.on("request", lambda r: r.url.startswith(here) or found.append(f"asks for {r.url}"))
    tab.on("console", lambda m: m.type == "error" and found.append(f"console: {m.text}"))
    tab.on("pageerror", lambda error: found.append(f"script: {error}"))
    tab.on("response", lambda r: r.ok or found.append(f"{r.status} {r.url}"))
    tab.goto(where + page, wait_until="load")
    for scheme in schemes:
        tab.emulate_media(color_scheme=scheme)
        found += [f"{scheme}: {fault}" for fault in tab.evaluate(LOOK)]
    context.close()
    return found
