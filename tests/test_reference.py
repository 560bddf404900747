"""Every public name is on a page of the reference, and its docstring says what it must."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

import minisnn as snn
from data_loaders.common import errors
from minisnn import arguments

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def reference(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module("reference")


# What the pages say


def test_the_stub_is_what_the_script_makes(reference):
    assert reference.STUB.read_text(encoding="utf-8") == reference.stub(), "run scripts/reference.py"


def test_the_tables_of_data_sets_are_what_the_loaders_declare(reference):
    assert reference.DATA.read_text(encoding="utf-8") == reference.data_page(), "run scripts/reference.py"
    assert all(
        f"\n| `{name}` |" in reference.data_page() for name in ("digits", "tiny-imagenet", "cifar10-dvs")
    )


def test_the_links_to_functions_have_their_lines(reference):
    text = reference.EQUATIONS.read_text(encoding="utf-8")
    assert text == reference.equations_page(), "run scripts/reference.py"
    assert text.count(".py#L") > 20


def test_a_link_to_a_function_that_is_gone_is_an_error(reference, monkeypatch, tmp_path):
    page = tmp_path / "page.md"
    monkeypatch.setattr("equations_page.EQUATIONS", page)
    (tmp_path / "code.py").write_text("class A:\n    x = 0\n\n    @property\n    def f(self): ...\n")
    page.write_text("[`A.f`](code.py#L1) [`A`](code.py#L7)")
    assert reference.equations_page() == "[`A.f`](code.py#L5) [`A`](code.py#L1)"
    page.write_text("[`A.g`](code.py#L1)")
    with pytest.raises(LookupError, match=r"code\.py has no A\.g"):
        reference.equations_page()


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
                if cls.__module__.startswith(("minisnn", "data_loaders")):
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
    if inspect.isfunction(f) and f.__module__ in (arguments.__name__, errors.__name__)
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
