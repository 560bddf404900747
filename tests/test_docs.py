"""What the pages say is so: links lead somewhere, code runs, tables are the measured ones."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("chapters/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readmes_python_runs():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    scope = {}
    exec(blocks[0], scope)
    assert scope["z_out"].tolist() == [[pytest.approx(5)]]
    assert scope["dweight"].ravel().tolist() == [pytest.approx(-10), pytest.approx(-7.5), 0]


def test_tables_are_the_measured_ones():
    spec = importlib.util.spec_from_file_location("esl_mlp_mnist", ROOT / "scripts" / "esl_mlp_mnist.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for page, parts in script.tables().items():
        text = page.read_text(encoding="utf-8")
        assert script.fill(text, parts) == text, "run `python scripts/esl_mlp_mnist.py tables`"
