"""The lines to which docs/equations.md leads: [`name`](../file.py#L12) is where a function, class or method begins."""

from __future__ import annotations

import ast
import re
from pathlib import Path

EQUATIONS = Path(__file__).resolve().parent.parent / "docs" / "equations.md"


def equations_page() -> str:
    """docs/equations.md with the lines of today."""

    def lined(link: re.Match[str]) -> str:
        name, file = link.groups()
        return f"[`{name}`]({file}#L{_line((EQUATIONS.parent / file).resolve(), name)})"

    return re.sub(r"\[`([\w.]+)`\]\(([\w./]+\.py)#L\d+\)", lined, EQUATIONS.read_text(encoding="utf-8"))


def _line(file: Path, name: str) -> int:
    """Where a function, class or method begins, its decorators left out. Raises LookupError if it is not there."""
    body: list[ast.stmt] = ast.parse(file.read_text(encoding="utf-8")).body
    line = 0
    for part in name.split("."):
        found = [s for s in body if isinstance(s, (ast.FunctionDef, ast.ClassDef)) and s.name == part]
        if not found:
            raise LookupError(f"{file.name} has no {name}, to which docs/equations.md leads")
        line, body = found[0].lineno, found[0].body
    return line
