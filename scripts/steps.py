"""The code on a page, as steps to follow: what a test and `scripts/newcomer.sh` do literally.

python scripts/steps.py docs/snippets.md        a shell script that follows the page

A python block whose first line is `# name.py` is a file of that name; any other is a program, which the next goes on
with if it follows under the same heading. An sh block is typed line by line.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import NamedTuple


class Step(NamedTuple):
    """One block of code on a page."""

    heading: str  # under which it stands
    kind: str  # "file", "python" or "sh"
    name: str  # of a file; else empty
    code: str


def steps(page: str) -> list[Step]:
    """The blocks of a Markdown page, in order."""
    heading, found = "", list[Step]()
    for title, kind, code in re.findall(
        r"^#+ ([^\n]+)$|^```(python|sh)\n(.*?)^```", page, re.DOTALL | re.MULTILINE
    ):
        named = re.match(r"# ([\w/]+\.py)\n", code)
        if title:
            heading = title
        elif kind == "python" and not named and found and found[-1][:2] == (heading, "python"):
            found[-1] = found[-1]._replace(code=found[-1].code + code)
        else:
            found.append(Step(heading, "file" if named else kind, named[1] if named else "", code))
    return found


def script(page: str) -> str:
    """A shell script that writes the files, runs the programs and types the commands; a copy of each is shown first."""
    lines, heading = [], ""
    for n, step in enumerate(steps(page)):
        if step.heading != heading:
            heading = step.heading
            lines.append(f"echo; echo {shlex.quote('## ' + heading)}")
        name = step.name or f"step{n}.py"
        if step.kind == "sh":
            lines += [f"echo {shlex.quote('$ ' + line)}\n{line}" for line in commands(step.code)]
        else:
            lines += [f"cat > {name} <<'END_OF_FILE'", step.code + "END_OF_FILE"]
        if step.kind == "python":
            lines += [f"echo {shlex.quote('$ python ' + name)}", f"python {name}"]
    return "\n".join(lines) + "\n"


def commands(block: str) -> list[str]:
    """The lines of an sh block that are commands, without their comments; a backslash joins two."""
    lines = re.sub(r"\\\n\s*", "", block).splitlines()
    return [line for line in (re.sub(r"(^|\s+)#.*", "", line) for line in lines) if line]


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(script(Path(path).read_text(encoding="utf-8")))
