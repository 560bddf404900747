"""What the pages say is so: links lead somewhere, code runs, tables are the measured ones."""

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("chapters/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)", prose):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readmes_python_runs():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    scope = {}
    for block in blocks[:2]:
        exec(block, scope)
    assert scope["z_out"].tolist() == [[pytest.approx(5)]]
    assert scope["spikes"].tolist() == scope["same"].tolist() == [False, True, False]
    assert scope["dcurrent"].tolist() == [pytest.approx(0.88001), pytest.approx(0.4445), pytest.approx(2.1)]
    assert scope["dweight"].ravel().tolist() == [pytest.approx(-10), pytest.approx(-7.5), 0]


@pytest.mark.parametrize("name", ["esl_mlp_mnist", "lif_mnist", "reproduced", "events"])
def test_tables_are_the_measured_ones(name, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    script = importlib.import_module(name)
    for page, parts in script.tables().items():
        text = page.read_text(encoding="utf-8")
        assert script.fill(text, parts) == text, f"run `python scripts/{name}.py tables`"


def test_a_file_imports_only_from_files_below_it():
    """The order of the house in docs/design.md."""
    house = (ROOT / "docs" / "design.md").read_text(encoding="utf-8").split("```")[1]
    names = [line.split()[0] for line in house.splitlines()[2:] if line.startswith("  ")]
    order, folder = {}, ""
    for line in house.splitlines()[2:]:
        if line.startswith("  "):
            name = line.split()[0]
            folder = folder if line.startswith("    ") else ""
            if name.endswith("/"):
                folder = name.strip("/") + "."
                order[folder.strip(".")] = len(order)
            else:
                order[folder + name.removesuffix(".py").replace("/", ".")] = len(order)
    assert len(names) == len(order) > 20

    def place(module):
        return order.get(module, order.get(module.partition(".")[0]))

    for path in sorted((ROOT / "minisnn").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT / "minisnn").with_suffix("").parts)
        if module.endswith("__"):
            continue
        assert place(module) is not None, f"{module} is not in docs/design.md"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("minisnn"):
                parent = node.module.partition(".")[2]
                for alias in node.names:
                    imported = f"{parent}.{alias.name}".strip(".")
                    imported = imported if imported in order else parent
                    if imported and place(imported) != place(module):
                        assert place(imported) > place(module), f"{module} imports {imported}"
