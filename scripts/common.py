"""What the scripts behind docs/results share: summaries as rows of Markdown tables, and pages with marked parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from minisnn.grids.rows import read, summarise

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"


def summary(path: Path, key: str, paper: Mapping[str, str] = MappingProxyType({})) -> list[dict[str, str]]:
    """Mean and spread of the seeds for each name, in the order of the names' first rows, beside the paper's number."""
    return [
        {
            "name": s.name,
            "mean": f"{s.mean:.2f}",
            "error": s.plus_minus,
            "spread": f"{min(s.accuracies):.2f} to {max(s.accuracies):.2f}",
            "seeds": str(len(s.rows)),
            "connections": f"{round(s.connections):,}",
            "density": f"{s.density:.3f}",
            "paper": paper.get(s.name, ""),
        }
        for s in summarise(read(path), key).values()
    ]


def fill(text: str, parts: Mapping[str, str]) -> str:
    """The page with its marked parts replaced."""
    for name, part in parts.items():
        begin, end = f"<!-- {name} -->", f"<!-- end {name} -->"
        head, rest = text.split(begin)
        text = f"{head}{begin}\n{part}\n{end}{rest.split(end)[1]}"
    return text
