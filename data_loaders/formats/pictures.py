"""PNG, JPEG and BMP files as arrays, as a viewer shows them: upright, palettes as colours, transparency on white."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_loaders.common.errors import DataError
from data_loaders.common.extras import needs

FORMATS = ("PNG", "JPEG", "BMP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
ORIENTATION = 0x0112  # EXIF; 5 to 8 are turned by 90 degrees
GREY = ("1", "L", "LA", "I", "I;16", "I;16L", "I;16B")


class Look(NamedTuple):
    """What a picture's header says."""

    height: int
    width: int
    grey: bool


def look(path: Path) -> Look:
    """Size when upright, and whether it is grey, from the header only. Raises DataError if it is no such picture."""
    with _opened(path) as picture:
        width, height = picture.size
        exif = picture.format != "PNG" or "exif" in picture.info  # else Pillow would decode it to find out
        if exif and picture.getexif().get(ORIENTATION, 1) >= 5:
            width, height = height, width
        return Look(height, width, _is_grey(picture))


def decode(path: Path, grey: bool) -> np.ndarray:
    """A picture as [H, W, 1] or, unless grey, [H, W, 3] uint8.

    It is turned as its EXIF orientation says; transparent parts become white; 16-bit grey levels are rounded to 8 bits.
    Raises DataError for an incomplete picture, or one so large that Pillow takes it for a decompression bomb.
    """
    image, operations = needs("PIL.Image", "data"), needs("PIL.ImageOps", "data")
    with _opened(path) as picture:
        picture = operations.exif_transpose(picture)
        if picture.mode.startswith("I"):
            levels = np.asarray(picture).astype(np.int64)
            picture = image.fromarray(((np.clip(levels, 0, 65535) * 255 + 32767) // 65535).astype(np.uint8))
        elif picture.has_transparency_data:
            white = image.new("RGBA", picture.size, "white")
            picture = image.alpha_composite(white, picture.convert("RGBA"))
        return np.array(picture.convert("L" if grey else "RGB")).reshape(
            *picture.size[::-1], 1 if grey else 3
        )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A picture as Pillow opens it; any error becomes a DataError."""
    image = needs("PIL.Image", "data")
    if not path.is_file():
        raise DataError(f"{path}: expected a picture, found no regular file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about harmless damage
            warnings.simplefilter("error", image.DecompressionBombWarning)
            with image.open(path, formats=FORMATS) as picture:
                yield picture
    except Exception as error:  # Pillow's decoders raise nearly anything for damaged files
        raise DataError(f"{path}: cannot be read as a PNG, JPEG or BMP picture ({error})") from error


def _is_grey(picture: Any) -> bool:
    if picture.mode not in ("P", "PA"):
        return picture.mode in GREY
    colours = np.reshape(picture.getpalette("RGB"), (-1, 3))
    return bool((colours == colours[:, :1]).all())
