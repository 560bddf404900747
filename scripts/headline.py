"""The table of results in README, from the measured rows in docs/results.    python scripts/headline.py"""

from __future__ import annotations

from pathlib import Path

from common import RESULTS, fill, summary

from minisnn.grids.rows import markdown

ROWS = (
    ("esl_mlp_mnist.jsonl", "dense", "784-800-10, neurons that fire once, dense", "96.7"),
    (
        "esl_mlp_mnist.jsonl",
        "eps 60, set + random",
        "the same, sparse from the first step (ESL-SNN)",
        "96.58",
    ),
    (
        "esl_mlp_mnist.jsonl",
        "dense 784-130-10",
        "dense, with as many connections as the sparse one",
        "about 92",
    ),
    ("esl-multispike-small.jsonl", "density 0.3", "784-800-10, LIF neurons, sparse (ESL-SNN)", "97.69"),
    ("lif_mnist.jsonl", "16C3-AP2-32C3-AP2-10FC, shifts", "16C3-AP2-32C3-AP2-10FC, LIF neurons, dense", ""),
)
"""Of which file, the name of its rows, what they are, and what the paper has."""


def tables() -> dict[Path, dict[str, str]]:
    """By page: the parts between its marks."""
    rows = []
    for file, name, text, paper in ROWS:
        found = next(row for row in summary(RESULTS / file, "test_accuracy") if row["name"] == name)
        rows.append(found | {"name": text, "paper": paper})
    heads = {
        "name": "on MNIST", "error": "test accuracy / %", "seeds": "seeds", "connections": "connections",
        "paper": "paper / %",
    }  # fmt: skip
    return {RESULTS.parent.parent / "README.md": {"headline": markdown(rows, heads)}}


def main() -> None:
    """Put the table into the page."""
    for page, parts in tables().items():
        page.write_text(fill(page.read_text(encoding="utf-8"), parts), encoding="utf-8")


if __name__ == "__main__":
    main()
