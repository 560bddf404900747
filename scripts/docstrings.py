"""A docstring as Markdown that git hosts show as it is meant."""

from __future__ import annotations

import re
import textwrap


def markdown(doc: str, names: set[str]) -> str:
    """A docstring as Markdown: parameters as a list, display maths as blocks, the rest escaped.

    names: what is a parameter where a line begins with "name: ...".
    """
    done: list[str] = []
    for block in re.split(r"(\$\$.*?\$\$)", doc, flags=re.DOTALL):
        if block.startswith("$$"):
            formula = "\n".join(line.strip() for line in block.strip("$ \n").splitlines())
            done.append(f"```math\n{formula}\n```")
        else:
            done += [_paragraph(p, names) for p in re.split(r"\n[ \t]*\n", block) if p.strip()]
    return "\n\n".join(done)


def _paragraph(text: str, names: set[str]) -> str:
    lines = text.strip("\n").splitlines()
    if all(line.startswith("    ") for line in lines):
        return "\n".join(["```text", *textwrap.dedent("\n".join(lines)).splitlines(), "```"])
    done: list[str] = []
    within = False  # a parameter's explanation
    for line in lines:
        head = re.match(r"\s*((?:\w+)(?:, \w+)*):\s+(?=\S)", line)
        if head and set(head[1].split(", ")) <= names:
            within = True
            label = ", ".join(f"`{name}`" for name in head[1].split(", "))
            done.append(f"- {label}: {escaped(line[head.end() :])}")
        elif within and not line.startswith(" ") and line.startswith(("Returns", "Raises")):
            within = False
            done += ["", escaped(line)]
        else:
            bullet = line.lstrip().startswith("- ")
            done.append(("  " if within and not bullet else "") + escaped(line.strip()))
    return "\n".join(done)


def escaped(text: str) -> str:
    """Plain text for Markdown: stars, underscores and brackets mean themselves outside of code and maths.

    Maths is written so that git hosts leave it alone: between $` and `$, in blocks named math.
    """
    parts = re.split(r"(`[^`]*`|\$[^$]*\$)", text)
    for n, part in enumerate(parts):
        if n % 2:
            parts[n] = f"$`{part[1:-1]}`$" if part[0] == "$" else part
        else:
            parts[n] = re.sub(r"\*|(?<!\w)_|_(?!\w)|<|\\|(?<=\])\(", lambda m: "\\" + m[0], part)
    return "".join(parts)
