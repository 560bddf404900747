"""The code on docs/snippets.md and docs/extend.md runs in order, in an empty folder.

Trainings have one epoch of a fifth of the digits here; `scripts/newcomer.sh` follows the pages literally.
"""

import glob
import importlib
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from minisnn.cli import main

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def steps(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module("steps")


@pytest.fixture
def folder(tmp_path, monkeypatch, few_digits):
    """An empty folder, whose modules are forgotten in the end."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # grids run in this process
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **options: Path(path).touch())
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
    plt.close("all")


def follow(step, steps, folder):
    """What somebody does who reads the page; commands run in this process."""
    if step.kind == "file":
        (folder / step.name).write_text(step.code, encoding="utf-8")
        importlib.invalidate_caches()
    elif step.kind == "python":
        exec(compile(step.code, step.heading, "exec"), {"__name__": "__snippet__"})
    else:
        for line in steps.commands(step.code):
            words = [name for word in shlex.split(line) for name in (sorted(glob.glob(word)) or [word])]
            assert words[0] == "minisnn"
            assert main(words[1:]) == 0, line


@pytest.mark.parametrize("page", ["snippets", "extend"])
def test_the_page_can_be_followed(page, steps, folder, capsys):
    found = list(steps.steps((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")))
    assert len(found) > 10
    for step in found:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"epoch .*")  # two epochs are few
            follow(step._replace(code=re.sub(r"(epochs[= ])\d+", r"\g<1>1", step.code)), steps, folder)


def test_there_are_ten_snippets(steps):
    found = steps.steps((ROOT / "docs" / "snippets.md").read_text(encoding="utf-8"))
    assert [h.split(".")[0] for h in dict.fromkeys(step.heading for step in found)] == [
        str(n) for n in range(1, 11)
    ]


def test_the_prune_rule_has_ten_lines(steps):
    found = steps.steps((ROOT / "docs" / "extend.md").read_text(encoding="utf-8"))
    (rule,) = [step for step in found if step.name == "my_rules.py"]
    assert rule.heading == "Add a prune rule in 10 lines"
    assert len([line for line in rule.code.splitlines() if line]) <= 10


PAGE = """# Page

## One

```python
# mine.py
x = 1
```

Text.

```python
import mine
```

It goes on.

```python
print(mine.x)
```

## Two

```sh
# what follows is a command
echo a \\
  b    # and a comment
```
"""


def test_a_page_becomes_steps(steps):
    file, program, shell = steps.steps(PAGE)
    assert (file.heading, file.kind, file.name) == ("One", "file", "mine.py")
    assert (program.heading, program.kind) == ("One", "python")
    assert (shell.heading, steps.commands(shell.code)) == ("Two", ["echo a b"])


def test_steps_become_a_script_that_stops_at_the_first_error(steps, tmp_path):
    def run(page):
        command = [
            "bash",
            "-euo",
            "pipefail",
            "-c",
            f'PATH="{Path(sys.executable).parent}:$PATH"\n{steps.script(page)}',
        ]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    done = run(PAGE)
    assert done.returncode == 0, done.stderr
    assert "## One\n$ python step1.py\n1\n" in done.stdout
    assert "## Two\n$ echo a b\na b\n" in done.stdout
    done = run(PAGE.replace("mine.x", "mine.y"))
    assert done.returncode != 0
    assert "Two" not in done.stdout
