"""A zip made over many slices: each file in it grows as a piece of its own, and all are joined at the end.

A piece is a deflated stream in parts that begin at whole bytes, so what was written after the last slice that counts is
cut off, and joining copies bytes instead of packing them anew.
"""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

LEVEL = 5
BLOCK = 1 << 20


class Piece:
    """One file of the zip while it grows. `state` is what the next slice needs: length, crc, size, rows."""

    def __init__(self, path: Path, state: dict[str, int]) -> None:
        self.path, self.state = path, {"length": 0, "crc": 0, "size": 0, "rows": 0, **state}
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._file = os.fdopen(descriptor, "r+b")
        self._file.truncate(self.state["length"])
        self._file.seek(self.state["length"])
        self._packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)

    def write(self, text: str) -> None:
        data = text.encode()
        self.state["crc"] = zlib.crc32(data, self.state["crc"])
        self.state["size"] += len(data)
        self._file.write(self._packer.compress(data))

    def close(self, *, is_last: bool) -> None:
        """On the disk before this returns. Raises: OSError."""
        try:
            self._file.write(self._packer.flush(zlib.Z_FINISH if is_last else zlib.Z_FULL_FLUSH))
            self._file.flush()
            os.fsync(self._file.fileno())
            self.state["length"] = self._file.tell()
        finally:
            self._file.close()

    def drop(self) -> None:
        self._file.close()


def join(
    target: Path,
    pieces: list[tuple[str, Path, dict[str, int]]],
    texts: dict[str, str],
    *,
    now: datetime,
    between: Callable[[], None],
) -> int:
    """Write the zip: closed pieces by name, and small texts; its size. It stands under its name whole or not at all.

    Raises: OSError.
    """
    part = target.with_suffix(".part")
    moment = now.timetuple()[:6]
    with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as book:
            for name, text in texts.items():
                book.writestr(_info(name, moment), text)
            for name, path, state in pieces:
                _append(book, _info(name, moment), path, state)
                between()
        file.flush()
        os.fsync(file.fileno())
        size = file.seek(0, os.SEEK_END)
    part.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return size


def _info(name: str, moment: Any) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, moment)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info


def _append(book: Any, info: zipfile.ZipInfo, path: Path, state: dict[str, int]) -> None:
    """Take over a stream that is packed already, as `ZipFile.write` would have packed it."""
    info.CRC, info.file_size, info.compress_size = state["crc"], state["size"], state["length"]
    info.header_offset = book.fp.tell()
    is_large = max(info.file_size, info.compress_size) > zipfile.ZIP64_LIMIT
    book.fp.write(info.FileHeader(zip64=is_large))
    with path.open("rb") as piece:
        shutil.copyfileobj(piece, book.fp, BLOCK)
    book.filelist.append(info)
    book.NameToInfo[info.filename] = info
    book.start_dir = book.fp.tell()
    book._didModify = True
