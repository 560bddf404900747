"""What a trained network needs to know of its data: shape, classes, normalisation, fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from data_loaders.common.errors import check

ClassNames = tuple[str, ...] | tuple[int, ...]


@dataclass(frozen=True)
class DataInfo:
    """The facts about a `DataSet` that are kept with a network trained on it. Raises ValueError for invalid ones."""

    name: str
    shape: tuple[int, int, int]  # H, W, C
    n_classes: int
    class_names: ClassNames  # empty: classes are 0 to n_classes - 1
    max_value: int
    is_sequence: bool
    frames: int | None  # T of sequences
    n_train: int
    mean: tuple[float, ...] | None  # [C] of images scaled to 0 ... 1; None for sequences
    std: tuple[float, ...] | None
    fingerprint: str  # 16 hexadecimal digits, see `DataSet.fingerprint`

    def __post_init__(self) -> None:
        check("name", repr(self.name), isinstance(self.name, str), "a text")
        check(
            "shape",
            self.shape,
            len(self.shape) == 3 and all(map(_count, self.shape)),
            "H, W, C, each above 0",
        )
        check(
            "n_classes", self.n_classes, _count(self.n_classes) and self.n_classes > 1, "an integer above 1"
        )
        check_class_names(self.class_names, self.n_classes)
        check("max_value", self.max_value, _count(self.max_value) and self.max_value < 256, "1 to 255")
        check("is_sequence", self.is_sequence, isinstance(self.is_sequence, bool), "true or false")
        frames = _count(self.frames) if self.is_sequence else self.frames is None
        check("frames", self.frames, frames, "above 0 for sequences, null for images")
        check("n_train", self.n_train, _count(self.n_train), "an integer above 0")
        for name, low in (("mean", 0.0), ("std", 1e-6)):  # of 0, direct coding would divide by it
            values, C = getattr(self, name), self.shape[2]
            fits = values is None if self.is_sequence else _within(values, C, low)
            kind = "null for sequences" if self.is_sequence else f"{low:g} to 1 for each of {C} channels"
            check(name, values, fits, kind)
        digits = isinstance(self.fingerprint, str) and len(self.fingerprint) == 16
        digits = digits and set(self.fingerprint) <= set("0123456789abcdef")
        check("fingerprint", repr(self.fingerprint), digits, "16 hexadecimal digits")

    def to_json(self) -> dict[str, Any]:
        """The facts as JSON can hold them; `DataInfo.from_json` is the way back."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_json(cls, content: Any) -> DataInfo:
        """The way back from `to_json`. Raises ValueError, naming what is missing, unknown or invalid."""
        fields = list(cls.__dataclass_fields__)
        check("facts about the data", type(content).__name__, isinstance(content, Mapping), "a JSON object")
        if missing := [name for name in fields if name not in content]:
            raise ValueError(f"facts about the data must have {', '.join(fields)}, found no {missing[0]}")
        if unknown := [name for name in content if name not in fields]:
            raise ValueError(f"facts about the data must have {', '.join(fields)} only, found {unknown[0]!r}")
        for name in ("shape", "class_names", "mean", "std"):
            empty = content[name] is None and name in ("mean", "std")
            check(name, content[name], empty or isinstance(content[name], list), "a list")
        facts: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
        return cls(**facts)


def check_class_names(names: ClassNames, n_classes: int) -> None:
    """Raise ValueError unless there is none, or n_classes different texts or integers."""
    texts = isinstance(names, tuple) and all(isinstance(name, str) and name for name in names)
    check("class_names", names, texts or _integers(names), "a tuple of texts, or of integers")
    several = f"n_classes, {n_classes}, different texts, or none"
    check("class_names", f"{len(names)}", len(names) in (0, n_classes), several)
    check(
        "class_names", f"{len(set(names))} different of {len(names)}", len(set(names)) == len(names), several
    )


def _integers(names: Any) -> bool:
    return isinstance(names, tuple) and all(type(name) is int for name in names)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _within(values: Any, n: int, low: float) -> bool:
    numbers = isinstance(values, tuple) and len(values) == n
    return numbers and all(type(v) in (int, float) and low <= v <= 1 for v in values)
