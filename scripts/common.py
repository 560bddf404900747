"""What the scripts behind docs/results share: runs of a grid as rows of a CSV file, and tables in Markdown."""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType

from minisnn import run

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
COLUMNS = ("name", "seed", "test_accuracy", "val_accuracy", "train_accuracy", "density", "connections",
           "explored", "seconds", "recipe")  # fmt: skip


def one(name: str, recipe: run.Recipe, test: bool) -> dict[str, object]:
    """One run, as a row of the table."""
    result = run.run(recipe, test=test)
    row = {key: result[key] for key in COLUMNS if key in result}
    return {"name": name, "seed": recipe.seed, **row, "recipe": json.dumps(asdict(recipe))}


def same(recipe: run.Recipe, old: Mapping[str, object]) -> bool:
    """Is it the recipe of an old row? Fields that did not exist then have their defaults."""
    fields = json.loads(json.dumps(asdict(recipe)))
    defaults = json.loads(json.dumps(asdict(type(recipe)())))
    return defaults | dict(old) == fields


def grid(
    path: Path, recipes: Mapping[str, run.Recipe], seeds: tuple[int, ...], test: bool, jobs: int
) -> None:
    """Run what is not in the table yet; a row is appended as soon as its run is done."""
    rows = read(path)
    done = [(row["name"], json.loads(row["recipe"])) for row in rows]
    wanted = [(name, replace(recipe, seed=seed)) for seed in seeds for name, recipe in recipes.items()]
    wanted = [(name, r) for name, r in wanted if not any(name == n and same(r, old) for n, old in done)]
    with ProcessPoolExecutor(jobs) as pool:
        for future in as_completed([pool.submit(one, name, r, test) for name, r in wanted]):
            row = future.result()
            with path.open("a", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n", extrasaction="ignore")
                if not rows and not file.tell():
                    writer.writeheader()
                writer.writerow(row)
            print(row["name"], row["seed"], row.get("test_accuracy"), row["val_accuracy"], flush=True)


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a table that may not exist yet."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def summary(path: Path, key: str, paper: Mapping[str, str] = MappingProxyType({})) -> list[dict[str, str]]:
    """Mean and spread of the seeds for each name, in the order of the names' first rows, beside the paper's number."""
    rows = read(path)
    found = []
    for name in dict.fromkeys(row["name"] for row in rows):
        mine = [row for row in rows if row["name"] == name]
        accuracy = [float(row[key]) for row in mine]
        found.append({
            "name": name,
            "mean": f"{statistics.mean(accuracy):.2f}",
            "spread": f"{min(accuracy):.2f} to {max(accuracy):.2f}",
            "seeds": str(len(mine)),
            "connections": f"{round(statistics.mean(float(row['connections']) for row in mine)):,}",
            "density": f"{statistics.mean(float(row['density']) for row in mine):.3f}",
            "paper": paper.get(name, ""),
        })  # fmt: skip
    return found


def table(rows: list[dict[str, str]], heads: dict[str, str]) -> str:
    """Markdown. heads: column of the rows -> its heading."""
    lines = [heads.values(), ["---", *["---:"] * (len(heads) - 1)], *([r[k] for k in heads] for r in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def fill(text: str, parts: dict[str, str]) -> str:
    """The page with its marked parts replaced."""
    for name, part in parts.items():
        begin, end = f"<!-- {name} -->", f"<!-- end {name} -->"
        head, rest = text.split(begin)
        text = f"{head}{begin}\n{part}\n{end}{rest.split(end)[1]}"
    return text
