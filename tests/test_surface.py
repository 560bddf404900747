"""`import minisnn as snn`: every public name is loaded when it is used, typed, and on a page of the reference."""

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
from minisnn import arguments, networks, optim, recipes
from minisnn.ops import surrogate
from minisnn.structure import grow, masks, prune, redistribute

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


@pytest.fixture
def reference(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module("reference")


# What importing costs


def test_importing_imports_nothing_else():
    assert python("import sys; old = set(sys.modules); import minisnn; print(set(sys.modules) - old)") == (
        "{'minisnn'}\n"
    )


@pytest.mark.parametrize("command", ["--help", "train lif --help", "train esl-mlp --help"])
def test_help_imports_nothing_that_takes_long(command):
    loaded = python(
        f"""
        import contextlib, io, sys
        from minisnn.cli import main
        with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
            main({command.split()})
        print(*sys.modules)
        """
    ).split()
    assert "numpy" in loaded
    assert not {"matplotlib", "scipy.stats", "PIL", "joblib", "distributed"} & set(loaded)


def test_a_name_imports_no_more_than_its_file_does():
    loaded = python("import minisnn, sys; minisnn.lif_forward; print(*sys.modules)").split()
    assert "minisnn.ops.lif" in loaded
    assert not {"matplotlib", "tqdm", "minisnn.runs", "minisnn.data"} & set(loaded)


# Which names there are


def test_dir_and_all_are_the_names_and_every_name_is_there():
    assert snn.__all__ == sorted(set(snn.__all__))
    assert set(snn.__all__) <= set(dir(snn))
    assert "__version__" in dir(snn)
    for name in snn.__all__:
        thing = getattr(snn, name)
        file, original = snn._HOMES[name]
        assert inspect.isclass(thing) or inspect.isfunction(thing), name
        assert thing is getattr(importlib.import_module(f"minisnn.{file}"), original)
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
        {key: network for key, (network, *_) in networks.NETWORKS.items()},
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


# What the pages say


def test_the_stub_is_what_the_script_makes(reference):
    assert reference.STUB.read_text(encoding="utf-8") == reference.stub(), "run scripts/reference.py"


def test_the_pages_are_what_the_script_makes(reference):
    made = reference.pages()
    assert {path.name for path in reference.FOLDER.glob("*.md")} == set(made)
    for name, text in made.items():
        assert (reference.FOLDER / name).read_text(encoding="utf-8") == text, "run scripts/reference.py"


def test_every_name_has_a_heading_and_a_line_in_the_index(reference):
    made = reference.pages()
    index = made.pop("README.md")
    headings = [name for text in made.values() for name in re.findall(r"^## (\w+)$", text, re.MULTILINE)]
    assert sorted(headings) == snn.__all__
    for name in snn.__all__:
        (page, anchor) = re.search(
            rf"^\| \[`{name}`\]\((\w+\.md)#([\w-]+)\) \| \S", index, re.MULTILINE
        ).groups()
        slugs = [h.lower() for h in re.findall(r"^#+ (.+)$", made[page], re.MULTILINE)]
        assert re.sub(r"-\d$", "", anchor) in slugs


@pytest.mark.parametrize(
    ("doc", "page"),
    [
        ("w_ij and k*k, x < 1, mean_t, _x_", r"w_ij and k\*k, x \< 1, mean_t, \_x\_"),
        ("`a*b`, $a*b_i < 1$", "`a*b`, $`a*b_i < 1`$"),
        ("Returns y [T](None).", r"Returns y [T]\(None)."),
        ("One.\n\n$$ a = b,\n    c $$\n\nTwo.", "One.\n\n```math\na = b,\nc\n```\n\nTwo."),
        (
            "Head.\n\nx:      [N], the\n        input.\nw, b:   weights.\nRaises ValueError.",
            "Head.\n\n- `x`: [N], the\n  input.\n- `w`, `b`: weights.\n\nRaises ValueError.",
        ),
        ("Note: x is no parameter here.", "Note: x is no parameter here."),
        ("    rule(w)\n      more", "```text\nrule(w)\n  more\n```"),
    ],
)
def test_docstrings_become_markdown(reference, doc, page):
    assert reference.markdown(doc, {"x", "w", "b"}) == page


def test_maths_is_left_alone_by_markdown(reference):
    """Every formula is in a block named math or between $` and `$: no git host takes it for something else."""
    for text in reference.pages().values():
        prose = re.sub(r"\$MINISNN_DATA|```.*?```|\$`[^`]*`\$|`[^`]*`", "", text, flags=re.DOTALL)
        assert "$" not in prose
        for formula in re.findall(r"```math\n(.*?)\n```", text, re.DOTALL):
            assert formula.count("{") == formula.count("}")
            assert formula.count(r"\left") == formula.count(r"\right") + formula.count(r"\leftarrow")


# What docstrings say


def described():
    """(name, thing, docstring) of every public name, and of the methods and properties of public classes."""
    for name in snn.__all__:
        thing = getattr(snn, name)
        yield name, thing
        if inspect.isclass(thing):
            for cls in thing.__mro__:
                if cls.__module__.startswith("minisnn"):
                    for method, value in vars(cls).items():
                        field = method in inspect.get_annotations(cls)
                        function = (
                            value.fget if isinstance(value, property) else getattr(value, "__func__", value)
                        )
                        if not method.startswith("_") and not field and inspect.isfunction(function):
                            yield f"{name}.{method}", function


def doc_of(name):
    """A docstring; of a method without one, that of the class that explains it."""
    owner, _, method = name.partition(".")
    thing = getattr(snn, owner)
    if not method:
        return thing.__doc__ if inspect.isclass(thing) and "__doc__" in vars(thing) else inspect.getdoc(thing)
    return inspect.getdoc(inspect.getattr_static(thing, method)) or inspect.getdoc(getattr(thing, method))


def source(thing):
    return ast.parse(inspect.cleandoc("\n" + inspect.getsource(thing))).body[0]


def takes_arrays(thing):
    signature = inspect.signature(thing)
    return any(re.search(r"\bArrays?\b|ndarray", str(p.annotation)) for p in signature.parameters.values())


CHECKS = {
    name
    for name, f in vars(arguments).items()
    if inspect.isfunction(f) and f.__module__ == arguments.__name__
}


def refuses(node):
    """Does a function's own body, or a check that it calls, raise what is the caller's fault?"""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Raise) and inner.exc is not None:
            return True
        if isinstance(inner, ast.Call):
            called = getattr(inner.func, "id", "")
            if called in CHECKS or called.startswith(("_check", "checked")):
                return True
    return False


def without_docstring():
    generated = {name for name, thing in described() if (doc_of(name) or "").startswith(f"{thing.__name__}(")}
    return sorted({name for name, thing in described() if not doc_of(name)} | generated)


def without_shapes():
    """Functions of arrays that say nothing like "[T, B]", "of its shape", or of dictionaries "by key"."""
    return sorted(
        name
        for name, thing in described()
        if "." not in name
        and inspect.isfunction(thing)
        and takes_arrays(thing)
        and not re.search(r"\[|shape|by key|Arguments as in", doc_of(name) or "")
    )


def without_errors():
    found = []
    for name, thing in described():
        owner, _, method = name.partition(".")
        docs = (doc_of(name) or "") + ((doc_of(owner) or "") if method else "")
        if inspect.isclass(thing):
            own = [
                node
                for node in source(thing).body
                if getattr(node, "name", "") in ("__init__", "__post_init__")
            ]
            if any(refuses(node) for node in own) and "Raises" not in docs:
                found.append(name)
        elif refuses(source(thing)) and "Raises" not in docs and "ValueError" not in docs:
            found.append(name)
    return sorted(set(found))


@pytest.mark.parametrize("missing", [without_docstring, without_shapes, without_errors])
def test_docstrings_say_what_they_must(missing):
    assert missing() == []
