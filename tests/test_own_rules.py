"""Rules that a script defines work in a grid's workers, and when a grid goes on. The script is a real one."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import minisnn

pytestmark = pytest.mark.skipif(not find_spec("joblib"), reason="joblib is not installed")

SCRIPT = '''
"""Own rules of every kind; nothing guards this module, so that to import it once more would be noticed."""
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from minisnn.grids.grid import run_grid
from minisnn.training.optim import SGD
from minisnn.recipes import LIF_DEFAULTS
from minisnn.structure import prune, redistribute
from minisnn.structure.learner import SparseLearner
from minisnn.structure.masks import bernoulli_mask

with open("started", "a") as file:
    file.write("once\\n")
CALLS = []


def helper(scores, count):
    """What a rule of the script calls."""
    return np.argsort(scores, kind="stable")[:count]


def lowest(weight, mask, count):
    CALLS.append(1)
    if os.environ.get("STOP") and len(CALLS) > int(os.environ["STOP"]):
        raise RuntimeError("stopped")
    active = np.flatnonzero(mask)
    return active[helper(weight.ravel()[active], count)]


def first(statistics, candidates, count, rng):
    return candidates[:count]


def all_back(layers, rng):
    return {key: layer.lost for key, layer in layers.items()}


@dataclass(frozen=True)
class Plain(SGD):
    mu: float = 0.5


@dataclass(frozen=True)
class Flat:
    """A surrogate."""

    width: float = 2.0

    def step(self, x):
        return np.clip(x / self.width + 0.5, 0, 1)

    def slope(self, x):
        return (abs(x) < self.width / 2) / np.asarray(self.width, x.dtype)


@dataclass(frozen=True)
class Still(SparseLearner):
    """A learner: masks that never change."""

    def start(self, state):
        self.draw_masks(state, bernoulli_mask)


BASE = replace(
    LIF_DEFAULTS["digits"], net="8C3-AP2-20FC-10FC", T=1, lr=0.02, epochs=2, batch_size=400, density=0.5, t_iter=1
)
prune.RULES["lowest"] = lowest  # a name that only this script knows
RECIPES = {
    "functions": replace(BASE, prune=lowest, grow=first, redistribute=all_back),
    "by a name": replace(BASE, prune="lowest", grow="random"),
    "classes": replace(BASE, optimizer=Plain, surrogate=Flat(1.5), learner=Still),
}
jobs, name, *scheduler = sys.argv[1:]
run_grid(
    Path(name) / "rows.jsonl", RECIPES, [0], int(jobs), folder=Path(name).resolve() / "runs",
    scheduler=scheduler[0] if scheduler else None,
)
'''


def start(folder, *words, stop="", cwd=None):
    """Run the script in a process of its own, with these words."""
    script = folder / "my_rules.py"
    if not script.exists():
        script.write_text(SCRIPT)
    root = Path(minisnn.__file__).parents[1]
    environ = os.environ | {"PYTHONPATH": str(root), "STOP": stop, "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        [sys.executable, str(script), *words], cwd=folder, env=environ, capture_output=True, text=True, timeout=100,
        check=False,
    )  # fmt: skip


def found(folder, name):
    """The rows, without what the clock says."""
    rows = map(json.loads, (folder / name / "rows.jsonl").read_text().splitlines())
    return sorted(({**row, "seconds": ""} for row in rows), key=lambda row: row["name"])


_whole = []


def undisturbed(tmp_path_factory):
    """The rows of the script in one process that nothing stops; run once, for whoever compares with them."""
    if not _whole:
        folder = tmp_path_factory.mktemp("undisturbed")
        done = start(folder, "1", "whole")
        assert done.returncode == 0, done.stderr
        assert (folder / "started").read_text() == "once\n"
        folders = sorted(path.name for path in (folder / "whole" / "runs").iterdir())
        _whole.append((found(folder, "whole"), folders))
    return _whole[0]


def test_rules_of_a_script_run_in_workers(tmp_path, tmp_path_factory):
    """One process and two find the same; folders and rows have the rules' names; the script is imported by nobody."""
    done = start(tmp_path, "2", "two")
    assert done.returncode == 0, done.stderr
    one, folders = undisturbed(tmp_path_factory)
    two = found(tmp_path, "two")
    assert one == two
    recipes = {row["name"]: row["recipe"] for row in two}
    named = {key: recipes["functions"][key] for key in ("prune", "grow", "redistribute")}
    assert named == {
        "prune": "my_rules:lowest",
        "grow": "my_rules:first",
        "redistribute": "my_rules:all_back",
    }
    assert recipes["by a name"]["prune"] == "my_rules:lowest"
    named = {key: recipes["classes"][key] for key in ("optimizer", "surrogate", "learner")}
    assert named == {
        "optimizer": "my_rules:Plain", "surrogate": {"is": "my_rules:Flat", "width": 1.5}, "learner": "my_rules:Still",
    }  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "two" / "runs").iterdir()) == folders
    for config in (tmp_path / "two" / "runs").glob("*/config.json"):
        assert json.loads(config.read_text())["recipe"] in recipes.values()
    assert (tmp_path / "started").read_text() == "once\n"


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_stopped_grid_with_rules_of_a_script_goes_on(tmp_path, tmp_path_factory, jobs):
    stopped = start(
        tmp_path, jobs, "part", stop="5"
    )  # in the second epoch: one layer rewires, after each of four steps
    assert "RuntimeError: stopped" in stopped.stderr
    left = list((tmp_path / "part" / "runs").glob("*/config.json"))
    assert any((path.parent / "log.csv").exists() for path in left)
    done = start(tmp_path, jobs, "part")
    assert done.returncode == 0, done.stderr
    assert found(tmp_path, "part") == undisturbed(tmp_path_factory)[0]
    assert (tmp_path / "started").read_text() == "once\n" * 2
    again = start(tmp_path, jobs, "part", stop="0")  # nothing is left to do
    assert again.returncode == 0, again.stderr


def test_a_rule_without_a_name_is_refused_before_anything_runs(tmp_path):
    from dataclasses import replace

    from minisnn.grids.grid import run_grid
    from minisnn.recipes import LIF_DEFAULTS

    recipe = replace(LIF_DEFAULTS["digits"], density=0.5, prune=lambda weight, mask, count: None)
    with pytest.raises(ValueError, match=r"prune: found .*<lambda>'?, which has no name"):
        run_grid(tmp_path / "grid.jsonl", {"a": recipe}, [0])
    assert not list(tmp_path.iterdir())


def test_a_run_is_read_without_the_rules_it_was_trained_with(tmp_path, monkeypatch):
    """The script is not run again, and need not be there; to go on with the training it is needed."""
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "my_script.py"
    script.write_text(
        "import numpy as np, minisnn as snn\n"
        "class Step:\n"
        "    def step(self, x): return 0.5 + 0 * x\n"
        "    def slope(self, x): return 0 * x + 0.5\n"
        "def mine(weight, mask, count): return np.flatnonzero(mask)[:count]\n"
        "snn.train('lif', net='4C3-AP4-10FC', T=1, epochs=1, density=0.5, prune=mine, surrogate=Step, out='run')\n"
    )
    subprocess.run([sys.executable, "my_script.py"], check=True, cwd=tmp_path)
    for missing in (False, True):
        if missing:
            script.unlink()
        run = minisnn.load("run")
        assert run.recipe.prune == "my_script:mine"
        assert run.predict(minisnn.load_data("digits").test.images[:3]).shape == (3,)
    with pytest.raises(ValueError, match="cannot find my_script:"):
        minisnn.resume("run", epochs=2)
    assert minisnn.load("run").result
