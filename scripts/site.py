"""The site: the book, the exercises as notebooks that run in the browser, and the playground, in build/site.

python scripts/site.py [--pyodide FOLDER]

Any web server can serve the folder, and `python -m http.server` in it will do. Python in the browser is Pyodide. By
default pages fetch it from the public address that JupyterLite uses; with --pyodide what they need of a local copy is
put into the site, which then asks nobody else. docs/site.md says more.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "build" / "site"
WORK = ROOT / "build" / "site-work"  # notebooks and settings that JupyterLite reads
PURE = ["tqdm", "ipywidgets", "comm", "jupyterlab-widgets", "widgetsnbextension"]  # wheels that Pyodide lacks

# The kernel asks for the first three lines, minisnn for the last.
PACKAGES = [
    *("micropip", "packaging", "ssl", "sqlite3"),
    *("ipython", "traitlets", "matplotlib-inline", "jedi", "decorator", "pygments", "prompt_toolkit"),
    *("asttokens", "executing", "pure_eval", "stack_data", "wcwidth", "six", "parso"),
    *("numpy", "scipy", "matplotlib", "matplotlib-pyodide", "pillow", "threadpoolctl"),
]
CORE = ["pyodide.js", "pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip"]
EXTENSIONS = ["@jupyterlite/pyodide-kernel-extension", "@jupyter-widgets/jupyterlab-manager"]  # no others
LAUNCH = "../../lite/notebooks/index.html?path="  # from a chapter of the book
INSTALL = """\
# Here, in a browser, minisnn is installed by this cell. The first time it takes a minute, most of it for loading.
%pip install -q minisnn ipywidgets"""


class SiteError(Exception):
    """The site cannot be built; the message says why."""


def wheels(out: Path) -> list[Path]:
    """The wheel of minisnn, and those of what it needs that are pure Python and not in Pyodide."""
    out.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.check_call([*pip, "wheel", "--no-deps", "-w", out, ROOT])
    lock = ["-c", ROOT / "requirements.lock"]
    subprocess.check_call([*pip, "download", "--no-deps", "--only-binary=:all:", *lock, "-d", out, *PURE])
    return sorted(out.glob("*.whl"))


def notebooks(out: Path) -> None:
    """The students' notebooks, each with a first cell that installs minisnn."""
    out.mkdir(parents=True)
    for source in sorted((ROOT / "chapters" / "exercises").glob("*.ipynb")):
        notebook = nbformat.read(source, as_version=4)
        cell = nbformat.v4.new_code_cell(INSTALL, id="install", metadata={"tags": ["install"]})
        notebook.cells.insert(0, cell)
        notebook.metadata.kernelspec = {"name": "python", "display_name": "Python (Pyodide)"}
        nbformat.write(notebook, out / source.name)


def pyodide(folder: Path, out: Path) -> None:
    """Copy what the site needs of a local Pyodide: its core, the packages and all that they depend on."""
    lock_file = folder / "pyodide-lock.json"
    missing = [name for name in [*CORE, lock_file.name] if not (folder / name).is_file()]
    if missing:
        raise SiteError(f"{folder} is no whole Pyodide: it has no {', '.join(missing)}")
    lock = json.loads(lock_file.read_text(encoding="utf-8"))
    packages, waiting, wanted = lock["packages"], [*PACKAGES], set()
    while waiting:
        name = re.sub("[-_.]+", "-", waiting.pop()).lower()  # the lock file's own names
        if name in packages and name not in wanted:
            wanted.add(name)
            waiting += packages[name]["depends"]
    for name in ("numpy", "scipy", "matplotlib", "pillow", "threadpoolctl", "micropip", "ipython"):
        if name not in wanted:
            raise SiteError(f"{lock_file} lists no package {name}: minisnn needs Pyodide's full distribution")
    out.mkdir(parents=True)
    files = [*CORE, *(packages[name]["file_name"] for name in wanted)]
    for name in files:
        if not (folder / name).is_file():
            raise SiteError(f"{lock_file} lists {name}, which is not in {folder}")
        shutil.copyfile(folder / name, out / name)
    lock["packages"] = {name: packages[name] for name in sorted(wanted)}
    (out / lock_file.name).write_text(json.dumps(lock), encoding="utf-8")


def lite(out: Path, extra: Iterable[Path], local: bool) -> str:
    """JupyterLite with the notebooks and the wheels. Returns the address of Pyodide, relative to the playground."""
    notebooks(WORK / "content")
    kernel: dict[str, object] = {"disablePyPIFallback": True}  # %pip asks nobody but this site
    if local:
        kernel["pyodideUrl"] = "./../pyodide/pyodide.js"
    settings = {
        "jupyter-lite-schema-version": 0,
        "jupyter-config-data": {
            "appName": "minisnn",
            "exposeAppInBrowser": True,  # for the tests
            "faviconUrl": "./../favicon.svg",
            "litePluginSettings": {"@jupyterlite/pyodide-kernel-extension:kernel": kernel},
        },
    }
    (WORK / "jupyter-lite.json").write_text(json.dumps(settings), encoding="utf-8")
    there = Path(sys.prefix) / "share" / "jupyter" / "labextensions"
    config = {
        "ignore_sys_prefix": ["federated_extensions"],
        "federated_extensions": [str(there / name) for name in EXTENSIONS],
    }
    (WORK / "jupyter_lite_config.json").write_text(json.dumps({"LiteBuildConfig": config}), encoding="utf-8")
    command = [sys.executable, "-m", "jupyter", "lite", "build", "--lite-dir", WORK, "--output-dir", out]
    command += ["--contents", WORK / "content", "--no-sourcemaps", "--apps", "notebooks", "--apps", "tree"]
    for wheel in extra:
        command += ["--piplite-wheels", wheel]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=WORK)
    if done.returncode:
        raise SiteError(f"JupyterLite could not be built:\n{done.stdout}{done.stderr}")
    if local:
        return "../pyodide/"
    for script in (out / "extensions" / "@jupyterlite" / "pyodide-kernel-extension").rglob("*.js"):
        if found := re.search(
            r"https://[^\"']+/pyodide/[^\"']+/(?=pyodide\.m?js)", script.read_text("utf-8")
        ):
            return found[0]
    raise SiteError("JupyterLite's kernel does not say where it has Pyodide from")


def build(local: Path | None) -> None:
    """All of it beside the site that there may be, which it then replaces: half a site does not stay."""
    shutil.rmtree(WORK, ignore_errors=True)
    out = WORK / "site"
    if local:
        pyodide(local, out / "pyodide")
    found = wheels(out / "wheels")
    address = lite(out / "lite", found, local is not None)
    book = [sys.executable, ROOT / "scripts" / "book.py", "--out", out / "book", "--launch", LAUNCH]
    if subprocess.call(book, stdout=subprocess.DEVNULL):  # it would say where the book is, for now
        raise SiteError("the book could not be built: its warnings stand above")
    shutil.rmtree(out / "jupyter_execute", ignore_errors=True)  # myst-nb puts it beside the book
    shutil.copytree(ROOT / "docs" / "site", out, dirs_exist_ok=True)
    shutil.copytree(ROOT / "playground", out / "playground", ignore=shutil.ignore_patterns("__pycache__"))
    first = [f"../wheels/{wheel.name}" for wheel in found if wheel.name.startswith(("minisnn-", "tqdm-"))]
    config = {"pyodide": address, "wheels": first}
    (out / "playground" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    shutil.rmtree(SITE, ignore_errors=True)
    out.rename(SITE)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pyodide", type=Path, metavar="FOLDER", help="a local copy to put into the site")
    arguments = parser.parse_args()
    try:
        build(arguments.pyodide)
    except SiteError as error:
        print(f"site: {error}", file=sys.stderr)
        return 2
    size = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file()) / 2**20
    print(f"The site is in {SITE.relative_to(ROOT)}, {size:.0f} MB: python -m http.server -d build/site")
    return 0


if __name__ == "__main__":
    sys.exit(main())
