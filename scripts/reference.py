"""The reference of the API, from signatures and docstrings: docs/reference/*.md, and minisnn/__init__.pyi.

python scripts/reference.py

It also fills the tables of docs/data.md, from what the loaders declare, and the lines of functions in
docs/equations.md.

`minisnn._PAGES` says which names there are, and on which page each stands; a test holds pages and names equal.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from data_page import DATA, data_page
from docstrings import escaped, markdown
from equations_page import EQUATIONS, equations_page

import minisnn

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
STUB = ROOT / "minisnn" / "__init__.pyi"

TITLES = {
    "equations": (
        "Equations",
        "Each is a forward beside its backward, with the cache that passes between them.",
    ),
    "neurons": ("Neurons and surrogates", "What one kind of neuron is, and what stands for its derivative."),
    "losses": ("Losses and costs", "Each is a forward beside its backward; a prediction reads the answer."),
    "networks": ("Networks and stages", "A network is data: stages without arrays that call the equations."),
    "optimisers": ("Optimisers", "Steps, learning-rate schedules and the normalisation of gradients."),
    "structure": (
        "Sparse structure",
        "Masks, the rules by which they change, and the learners that apply them.",
    ),
    "methods": (
        "Methods for comparison",
        "Learners of other papers, and baselines; none is part of ESL-SNNs or SCA. Each says what its facts rest on.",
    ),
    "channels": ("Channels", "Pruned by activity, regrown by gradient, and removed for good."),
    "cost": ("Cost", "Connections, operations and energy, counted on real spikes."),
    "data": ("Data", "Data sets, their parts, and how images and events become inputs."),
    "runs": ("Runs", "Train, load, resume, compare; and the recipes that say what is trained."),
}


def homes() -> Iterator[tuple[str, str, str]]:
    """Every public name: its page, its file, and what follows `import` there ("x" or "x as y")."""
    for page, files in minisnn._PAGES.items():
        for file, names in files.items():
            for name in names.split(", "):
                yield page, file, name


def stub() -> str:
    """`minisnn/__init__.pyi`: the same names as ordinary imports; "x as x" is how a stub passes a name on."""
    imports, renamed = [], []
    for _, file, name in homes():
        original, _, known_as = name.partition(" as ")
        what = f"{original} as {'_' + known_as if known_as else original}"
        module = minisnn._module(file)
        imports.append((_natural(module), _isort(original), f"from {module} import {what}"))
        renamed += [f"{known_as} = _{known_as}"] if known_as else []
    lines = [line for _, _, line in sorted(imports)]
    head = "# Made by scripts/reference.py from _PAGES in __init__.py: what type checkers read.\n\n"
    return head + "\n".join([*lines, "", *renamed, "__version__: str", "__all__: list[str]", ""])


def _natural(module: str) -> list[list[str | int]]:
    """The order of modules in imports: cifar10 before cifar10_dvs before cifar100."""
    return [
        [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
        for name in module.split(".")
    ]


def _isort(name: str) -> tuple[int, str]:
    """Constants, classes, functions: the order of imports."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return kind, name


def pages() -> dict[str, str]:
    """The text of every page by the name of its file."""
    found = {f"{page}.md": _page(page, files) for page, files in minisnn._PAGES.items()}
    return {"README.md": _index()} | found


def _index() -> str:
    lines = [
        "# Reference",
        "",
        "`import minisnn as snn` gives every name below: `snn.lif_forward`, `snn.LIFNet`. A name's file is imported",
        "when the name is first used. [Snippets](../snippets.md) shows the names at work.",
    ]
    for page in minisnn._PAGES:
        title, intro = TITLES[page]
        lines += ["", f"## [{title}]({page}.md)", "", intro, "", "| name | what it is |", "| --- | --- |"]
        anchors = _anchors(page)
        for known_as in anchors:
            first = _summary(getattr(minisnn, known_as)).replace("|", r"\|")
            lines.append(f"| [`{known_as}`]({page}.md#{anchors[known_as]}) | {first} |")
    return "\n".join(lines) + "\n"


def _page(page: str, files: dict[str, str]) -> str:
    title, intro = TITLES[page]
    lines = [f"# {title}", "", f"{intro} [All names](README.md)"]
    for file, names in files.items():
        module = importlib.import_module(minisnn._module(file))
        for name in names.split(", "):
            original, _, known_as = name.partition(" as ")
            lines += ["", *_entry(known_as or original, getattr(module, original))]
    return "\n".join(lines) + "\n"


def _anchors(page: str) -> dict[str, str]:
    """The anchor that a git host gives each heading: `Connections` after `connections` is `connections-1`."""
    found: dict[str, str] = {}
    for _, _, name in (h for h in homes() if h[0] == page):
        known_as = name.rpartition(" as ")[2]
        times = list(found.values()).count(known_as.lower())
        found[known_as] = known_as.lower() + (f"-{times}" if times else "")
    return found


def _entry(name: str, thing: object) -> list[str]:
    """What a page says about one name."""
    module = inspect.getmodule(thing)
    assert module is not None
    lines = [f"## {name}", "", "```python"]
    lines += (
        _class_lines(thing)
        if inspect.isclass(thing)
        else [_header(thing).replace(f"def {thing.__name__}", name)]
    )
    lines += ["```", "", markdown(inspect.getdoc(thing) or "", set(_parameters(thing)))]
    elsewhere: dict[str, list[str]] = {}  # methods that a base class explains
    for method, value in _methods(thing):
        function = _function(value)
        if not function.__doc__:
            elsewhere.setdefault(_explains(thing, method), []).append(f"`{method}`")
        elif isinstance(value, property):
            lines += ["", f"`.{method}`: {markdown(inspect.getdoc(value) or '', set())}"]
        else:
            doc = markdown(inspect.getdoc(value) or "", set(_parameters(function)))
            lines += ["", *_method_lines(_header(function)), "", doc]
    for base, methods in elsewhere.items():
        lines += ["", f"As in `{base}`: {', '.join(methods)}."] if base else []
    return [*lines, "", _where(thing, module)]


def _where(thing: object, module: ModuleType) -> str:
    """Links to the file, and to the chapters that the docstring, or else the file's, names."""
    file = Path(inspect.getsourcefile(module) or "").relative_to(ROOT).as_posix()
    said = f"Source: [`{file}`](../../{file})"
    numbers = _chapters(thing.__doc__ or "") or _chapters(module.__doc__ or "")
    if numbers:
        links = ", ".join(f"[{n:02}](../../{_chapter(n)})" for n in numbers)
        said += f", chapter{'s' if len(numbers) > 1 else ''} {links}"
    return said


def _chapters(doc: str) -> list[int]:
    """The numbers in "chapter 14", "chapters 07-09 and 11"."""
    found: set[int] = set()
    for text in re.findall(r"chapters?\s+(\d\d(?:(?:-|,\s+|\s+and\s+)\d\d)*)", doc):
        for first, last in re.findall(r"(\d\d)(?:-(\d\d))?", text):
            found |= set(range(int(first), int(last or first) + 1))
    return sorted(found)


def _chapter(number: int) -> str:
    (path,) = ROOT.glob(f"chapters/{number:02}_*.md")
    return path.relative_to(ROOT).as_posix()


def _header(function: Any) -> str:
    """A function's first lines, as they stand in the source: name, parameters and result."""
    source = inspect.cleandoc("\n" + inspect.getsource(function))
    node = ast.parse(source).body[0]
    assert isinstance(node, ast.FunctionDef)
    lines = source.splitlines()[node.lineno - 1 : node.body[0].lineno - 1]
    return "\n".join(lines or source.splitlines()[node.lineno - 1 : node.lineno]).rstrip().removesuffix(":")


def _method_lines(header: str) -> list[str]:
    """A method as one calls it: without self, in one line where that is short."""
    header = re.sub(r"\((\s*)(?:self|cls)(?:, |,\n\s*)?", r"(\1", header.replace("def ", ".", 1), count=1)
    line = " ".join(re.sub(r"  # .*", "", header).split())
    line = line.replace("( ", "(").replace(", )", ")").replace(" )", ")")
    return [f"`{line}`"] if len(line) < 100 else ["```python", *header.splitlines(), "```"]


def _parameters(thing: object) -> Iterator[str]:
    """The names that a docstring may explain."""
    if inspect.isclass(thing):
        yield from (name for cls in thing.__mro__ for name in inspect.get_annotations(cls))
    try:
        yield from inspect.signature(thing).parameters  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return


def _class_lines(cls: type) -> list[str]:
    """The class and its fields as they stand in the source, with the comments that give shapes and meaning."""
    bases = [base.__name__ for base in getattr(cls, "__orig_bases__", cls.__bases__) if base is not object]
    lines = [f"class {cls.__name__}" + (f"({', '.join(bases)})" if bases else "")]
    fields: dict[str, list[str]] = {}
    for base in reversed([b for b in cls.__mro__ if b.__module__.startswith(("minisnn", "data_loaders"))]):
        source, node = _source(base)
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and "ClassVar" not in ast.unparse(statement.annotation):
                end = statement.end_lineno or statement.lineno
                fields[ast.unparse(statement.target)] = source[statement.lineno - 1 : end]
    for field in dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ():
        if "about" in field.metadata:  # a setting of a recipe: its text is not a comment but data
            text = field.metadata["about"].text
            default = f'"{field.default}"' if isinstance(field.default, str) else repr(field.default)
            fields[field.name] = [f"    {field.name}: {field.type} = {default}  # {text}"]
    if fields:
        lines[0] += ":"
    elif any(
        isinstance(statement, ast.FunctionDef) and statement.name == "__init__"
        for statement in _source(cls)[1].body
    ):
        head = _header(vars(cls)["__init__"]).removesuffix(" -> None")
        return [head.replace("def __init__(self, ", f"{cls.__name__}(")]
    return lines + [line for field in fields.values() for line in field]


@functools.cache
def _source(cls: type) -> tuple[list[str], ast.ClassDef]:
    """A class's source, line by line, and its syntax tree."""
    text = inspect.getsource(cls)
    text = text[len(text) - len(text.lstrip()) :]
    (node,) = ast.parse(text).body
    assert isinstance(node, ast.ClassDef)
    return text.splitlines(), node


def _methods(thing: object) -> Iterator[tuple[str, Any]]:
    """A class's own public methods and properties, in the order of the source."""
    if inspect.isclass(thing):
        for name, value in vars(thing).items():
            field = name in inspect.get_annotations(thing)
            if not name.startswith("_") and not field and inspect.isfunction(_function(value)):
                yield name, value


def _function(value: Any) -> Any:
    """What is behind a property or a class method."""
    return value.fget if isinstance(value, property) else getattr(value, "__func__", value)


def _explains(thing: Any, method: str) -> str:
    """The class whose docstring explains a method that has none of its own."""
    for base in thing.__mro__:
        if (_function(vars(base).get(method)) or base).__doc__ and method in vars(base):
            return str(base.__name__)
    return ""


def _summary(thing: object) -> str:
    """The first sentence of a docstring, or its first line if that is shorter."""
    paragraph = (inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ")
    sentence = re.match(r".*?(?<!\bEq)(?<!\bal)\.(?=\s|$)", paragraph)
    return escaped(sentence[0] if sentence else paragraph)


def main() -> None:
    """Write everything anew."""
    EQUATIONS.write_text(equations_page(), encoding="utf-8")
    DATA.write_text(data_page(), encoding="utf-8")
    STUB.write_text(stub(), encoding="utf-8")
    FOLDER.mkdir(exist_ok=True)
    found = pages()
    for path in FOLDER.glob("*.md"):
        if path.name not in found:
            path.unlink()
    for name, text in found.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
