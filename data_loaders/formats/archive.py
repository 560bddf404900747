"""The files of a folder or of a zip archive, read one by one: nothing in an archive ever reaches the disk."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path, PurePosixPath

from data_loaders.common.errors import DataError

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # other methods may need any amount of memory
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)


class Archive:
    """A folder or a zip archive. Raises DataError if it is neither, or holds a path that leads out of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.zip = None
        if path.is_dir():
            return
        path.stat()  # raises FileNotFoundError
        try:
            self.zip = zipfile.ZipFile(path)
        except DAMAGED as error:
            raise DataError(f"{path}: expected a folder or a zip archive, found neither ({error})") from error
        for name in self.zip.namelist():
            if name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts:
                raise DataError(
                    f"{path}: expected paths inside the archive, found {name!r}, which leads out of it"
                )

    def __contains__(self, name: str) -> bool:
        return (self.path / name).is_file() if self.zip is None else name in self.zip.NameToInfo

    def names(self) -> list[str]:
        """The names of all files; of a folder, only of those directly in it."""
        if self.zip is None:
            return [path.name for path in self.path.iterdir()]
        return self.zip.namelist()

    def where(self, name: str) -> str:
        """A file's name in messages."""
        return str(self.path / name) if self.zip is None else f"{self.path}, {name}"

    def read(self, name: str, most: int) -> bytes:
        """A file's content. Raises DataError if it is damaged, missing or longer than `most` bytes."""
        where = self.where(name)
        if name not in self:
            raise DataError(f"{where}: expected a file, found none")
        if self.zip and self.zip.NameToInfo[name].compress_type not in METHODS:
            raise DataError(f"{where}: expected it stored or deflated, found another compression")
        try:
            with (self.path / name).open("rb") if self.zip is None else self.zip.open(name) as file:
                content = file.read(most + 1)
        except DAMAGED as error:
            raise DataError(f"{where}: cannot be read from the archive ({error})") from error
        if len(content) > most:
            raise DataError(f"{where}: expected at most {most:,} bytes, found more")
        return content
