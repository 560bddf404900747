"""`import minisnn as snn`: every public name is loaded when it is used, and typed."""

import ast
import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import minisnn as snn
from minisnn import recipes
from minisnn.networks.registry import NETWORKS
from minisnn.ops import surrogate
from minisnn.structure import grow, masks, prune, redistribute
from minisnn.training import optim

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [path for path in sorted((ROOT / "minisnn").rglob("*.py")) if "commands" not in path.parts]


def python(code, *options, **environment):
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(code)],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


# What importing costs


def test_importing_imports_nothing_else():
    assert python("import sys; old = set(sys.modules); import minisnn; print(set(sys.modules) - old)") == (
        "{'minisnn'}\n"
    )


def test_help_imports_nothing_that_takes_long():
    loaded = python(
        """
        import contextlib, io, sys
        from minisnn.cli import main
        for command in ("--help", "train lif --help", "train esl-mlp --help"):
            with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
                main(command.split())
        print(*sys.modules)
        """
    ).split()
    assert "numpy" in loaded
    assert not {"matplotlib", "scipy", "PIL", "joblib", "distributed"} & set(loaded)


def test_a_name_imports_no_more_than_its_file_does():
    loaded = python("import minisnn, sys; minisnn.lif_forward; print(*sys.modules)").split()
    assert "minisnn.ops.lif" in loaded
    assert not {"matplotlib", "tqdm", "minisnn.runs.start", "data_loaders.common.dataset"} & set(loaded)


# Which names there are


def test_dir_and_all_are_the_names_and_every_name_is_there():
    assert snn.__all__ == sorted(set(snn.__all__))
    assert set(snn.__all__) <= set(dir(snn))
    assert "__version__" in dir(snn)
    for name in snn.__all__:
        thing = getattr(snn, name)
        file, original = snn._HOMES[name]
        assert inspect.isclass(thing) or inspect.isfunction(thing), name
        assert thing is getattr(importlib.import_module(file), original)
        assert thing.__name__ == original
    scope = {}
    exec("from minisnn import *", scope)
    assert set(snn.__all__) <= set(scope)


def test_names_are_listed_once():
    names = [name for page in snn._PAGES.values() for names in page.values() for name in names.split(", ")]
    assert len(names) == len(set(names)) == len(snn._HOMES)


def test_no_name_is_that_of_a_file():
    """Once imported, the file would stand in the place of the name."""
    files = {module.name for module in pkgutil.iter_modules(snn.__path__)}
    assert "training" in files
    assert not files & set(snn.__all__)


def test_importing_everything_hides_no_name():
    code = """
        import importlib, pkgutil, types
        import minisnn as snn
        for module in pkgutil.walk_packages(snn.__path__, "minisnn."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
        print([name for name in snn.__all__ if isinstance(getattr(snn, name), types.ModuleType)])
        import minisnn.ops.lif
        print(minisnn.ops.lif.lif_forward is snn.lif_forward)
    """
    assert python(code) == "[]\nTrue\n"


def test_a_misspelt_name_says_which_is_meant():
    with pytest.raises(AttributeError, match=r"'lif_foward': did you mean lif_forward\?"):
        _ = snn.lif_foward
    with pytest.raises(AttributeError, match=r"no attribute 'qqqqqqqq'$"):
        _ = snn.qqqqqqqq
    with pytest.raises(ImportError, match="lif_foward"):
        exec("from minisnn import lif_foward")
    assert not hasattr(snn, "__wrapped__")


def public_functions():
    """(file, name) of every function at the top of a file."""
    for path in SOURCES:
        if path.parent.name == "tasks":
            continue  # the oracles bear the names of what is asked for
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                yield path, node.name


def test_every_pair_is_there():
    pairs = {name for _, name in public_functions() if name.endswith(("_forward", "_backward"))}
    assert len(pairs) > 20
    assert pairs <= set(snn.__all__)
    for name in pairs:
        assert re.sub("_forward$", "_backward", name) in pairs


@pytest.mark.parametrize(
    "table",
    [
        {key: network for key, (network, *_) in NETWORKS.items()},
        optim.SCHEDULES, optim.NORMALISATIONS, prune.RULES, grow.RULES, redistribute.RULES,
        masks.DISTRIBUTIONS, masks.SAMPLERS, recipes.RECIPES,
        {type(s): type(s) for s in surrogate.SURROGATES.values()},
        optim.OPTIMIZERS,
    ],
)  # fmt: skip
def test_what_recipes_know_by_name_is_there(table):
    for key, thing in table.items():
        thing = getattr(thing, "func", thing)
        assert getattr(snn, thing.__name__, None) is thing, key


# What type checkers see

USE = """
import numpy as np
import minisnn as snn

spikes, cache = snn.lif_forward(np.zeros((4, 3)), snn.Neuron(decay=0.5))
rate = cache.firing_rate()
neuron: snn.Neuron = cache.neuron
net: snn.Sequential = snn.from_notation("8C3-AP2-10FC", (8, 8, 1), T=2)
fraction: float = snn.cosine_fraction(3, 0.3, 10)
"""
MISUSE = {
    "a string for a neuron": 'snn.lif_forward(np.zeros((4, 3)), "leaky")',
    "a neuron too few": "snn.lif_forward(np.zeros((4, 3)))",
    "a misspelt argument": "snn.Neuron(decya=0.5)",
    "a misspelt name": "snn.lif_foward",
    "a field that the cache does not have": "cache.potential",
}


def checked(checker, tmp_path):
    """The type checker's complaints about USE and MISUSE: {line: text}."""
    use = USE.splitlines()
    path = tmp_path / "use.py"
    path.write_text("\n".join([*use, *MISUSE.values()]) + "\n", encoding="utf-8")
    done = subprocess.run(
        [*checker, str(path)], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"MYPYPATH": str(ROOT), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    found = {}
    for line, text in re.findall(r"use\.py:(\d+):(?:\d+)?[ :-]+error: (.*)", done.stdout):
        found[int(line) - len(use)] = text
    return found, done.stdout + done.stderr


@pytest.mark.types
@pytest.mark.parametrize("checker", ["mypy", "basedpyright"])
def test_type_checkers_see_the_names(checker, tmp_path):
    pytest.importorskip(checker)
    if checker == "mypy":
        cache = ROOT / ".mypy_cache" / "surface"
        command = [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--follow-imports=silent",
            f"--cache-dir={cache}",
        ]
    else:
        command = [sys.executable, "-m", "basedpyright", "--level", "error"]
    found, said = checked(command, tmp_path)
    for line, what in enumerate(MISUSE, 1):
        assert line in found, f"{what} passes:\n{said}"
    assert set(found) <= set(range(1, len(MISUSE) + 1)), said
