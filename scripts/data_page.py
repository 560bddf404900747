"""The tables of docs/data.md, from what the loaders declare."""

from __future__ import annotations

from pathlib import Path

from common import fill

from data_loaders.catalogue import DATA_SETS
from data_loaders.common.declaration import Declaration

DATA = Path(__file__).resolve().parent.parent / "docs" / "data.md"


def data_page() -> str:
    """docs/data.md with its tables: which data sets there are, which files are looked for, who made them."""
    real = [data for data in DATA_SETS.values() if not (data.is_own or data.name.endswith("-stand-in"))]
    rows = [
        "| name | what | shape | classes | samples | to download |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    files = ["| data set | what is looked for |", "| --- | --- |"]
    sources = []
    for data in real:
        megabytes = f"{sum(file.size for file in data.files) / 1e6:,.0f} MB" if data.files else ""
        samples = " + ".join(f"{n:,}" for n in data.samples)
        rows.append(
            f"| `{data.name}` | {data.what} | {data.size} | {data.n_classes} | {samples} | {megabytes} |"
        )
        if data.files and not data.folder:
            files.append(f"| `{data.name}` | {_looked_for(data)} |")
        licence = f", {data.licence}" if data.licence else ""
        sources += [f"- `{data.name}`: {data.citation}{licence}."] if data.citation else []
    parts = {"data sets": rows, "files": files, "sources": sources}
    return fill(DATA.read_text(encoding="utf-8"), {key: "\n".join(lines) for key, lines in parts.items()})


def _looked_for(data: Declaration) -> str:
    """The files of a data set in words."""
    where = f"in a folder `{data.name}` only: " if data.apart else ""
    more = f", and {len(data.files) - 1} more" if len(data.files) > 1 else ""
    if data.unpacked:
        return f"{where}`{data.unpacked[0]}/`, or `{data.files[0].name}`{more}"
    zipped = ", with or without `.gz`" if data.files[0].name.endswith(".gz") else ""
    return f"{where}`{data.files[0].name}`{more}{zipped}"
