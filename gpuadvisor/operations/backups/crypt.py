"""Files that only BACKUP_KEY opens: compressed, then AES-256-GCM in chunks of a megabyte.

Shape: magic, two bytes of length, a header in JSON (name, moment, mark of the key, salt), then chunks: four bytes whose
highest bit says "the last one" and whose others are the length, and the sealed bytes. Each file has a key of its own,
made of BACKUP_KEY and its salt; each chunk's number, whether it is the last, and the header are part of its seal, so
nothing can be cut off, moved or put in another file's place unseen.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .configuration import BackupError

MAGIC = b"GPABKUP1"
CHUNK = 1 << 20
LAST = 1 << 31
QUICK, SMALL = 1, 6  # levels of compression: of a whole backup, and of WAL, which on an idle site is mostly zeros


class WrongKeyError(BackupError):
    """It was made with a key that neither BACKUP_KEY nor its fallbacks hold."""


class DamagedError(BackupError):
    """It is not as it was written."""


@dataclass(frozen=True)
class Header:
    """What can be read without the key. Trust it once the file was read to its end."""

    name: str
    at: datetime
    key_mark: str
    raw: bytes
    salt: bytes


def mark_of(key: str) -> str:
    """By which a key is told from others, and which gives nothing of it away."""
    return HKDF(SHA256(), 4, None, b"gpuadvisor backup mark").derive(key.encode()).hex()


def _box(key: str, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt, b"gpuadvisor backup file").derive(key.encode()))


def _bound(header: bytes, number: int, *, is_last: bool) -> bytes:
    return hashlib.sha256(header).digest() + struct.pack(">Q?", number, is_last)


class Sealer:
    """Writes into `file`; `finish` seals the rest. Without it, the file is refused when read."""

    def __init__(self, file: BinaryIO, *, name: str, at: datetime, key: str, level: int = QUICK) -> None:
        salt = os.urandom(16)
        content = {"name": name, "at": at.isoformat(), "key": mark_of(key), "salt": salt.hex()}
        self._header = json.dumps(content).encode()
        self._file, self._box = file, _box(key, salt)
        self._squeeze = zlib.compressobj(level)
        self._waiting = bytearray()
        self._number = 0
        file.write(MAGIC + struct.pack(">H", len(self._header)) + self._header)

    def write(self, data: bytes) -> int:
        self._waiting += self._squeeze.compress(data)
        while len(self._waiting) > CHUNK:
            self._seal(bytes(self._waiting[:CHUNK]), is_last=False)
            del self._waiting[:CHUNK]
        return len(data)

    def finish(self) -> None:
        self._waiting += self._squeeze.flush()
        while len(self._waiting) > CHUNK:
            self._seal(bytes(self._waiting[:CHUNK]), is_last=False)
            del self._waiting[:CHUNK]
        self._seal(bytes(self._waiting), is_last=True)

    def _seal(self, plain: bytes, *, is_last: bool) -> None:
        nonce = struct.pack(">IQ", 0, self._number)
        sealed = self._box.encrypt(nonce, plain, _bound(self._header, self._number, is_last=is_last))
        self._file.write(struct.pack(">I", len(sealed) | (LAST if is_last else 0)) + sealed)
        self._number += 1


def read_header(file: BinaryIO, path: str) -> Header:
    """Raises: DamagedError where it is none of our files."""
    try:
        if file.read(len(MAGIC)) != MAGIC:
            raise ValueError
        raw = file.read(struct.unpack(">H", file.read(2))[0])
        content = json.loads(raw)
        at = datetime.fromisoformat(content["at"])
        return Header(content["name"], at, content["key"], raw, bytes.fromhex(content["salt"]))
    except (ValueError, KeyError, TypeError, struct.error):
        raise DamagedError(f"{path} is damaged: its beginning is not that of a backup.") from None


class Opener:
    """Reads what a Sealer wrote, chunk by chunk; `read` as of a file.

    Raises: WrongKeyError at once, DamagedError where it comes to a chunk that was changed.
    """

    def __init__(self, file: BinaryIO, *, name: str, keys: Sequence[str], path: str) -> None:
        self.header = read_header(file, path)
        key = next((key for key in keys if mark_of(key) == self.header.key_mark), None)
        if key is None:
            raise WrongKeyError(
                f"{path} was made with another BACKUP_KEY (its mark is {self.header.key_mark}, ours"
                f" {', '.join(mark_of(key) for key in keys)}): set that key, or add it to BACKUP_KEY_FALLBACKS."
            )
        if self.header.name != name:
            raise DamagedError(f"{path} is the file of {self.header.name}: it was moved.")
        self._file, self._path = file, path
        self._box = _box(key, self.header.salt)
        self._stretch = zlib.decompressobj()
        self._plain = bytearray()
        self._number, self._ended = 0, False

    def read(self, size: int = -1) -> bytes:
        while not self._ended and (size < 0 or len(self._plain) < size):
            self._next()
        taken = bytes(self._plain if size < 0 else self._plain[:size])
        del self._plain[: len(taken)]
        return taken

    def _next(self) -> None:
        length = self._file.read(4)
        if len(length) < 4:
            raise DamagedError(f"{self._path} is damaged: it ends too early.")
        (number,) = struct.unpack(">I", length)
        is_last = bool(number & LAST)
        sealed = self._file.read(number & ~LAST) if number & ~LAST <= CHUNK + 16 else b""
        nonce = struct.pack(">IQ", 0, self._number)
        try:
            plain = self._box.decrypt(nonce, sealed, _bound(self.header.raw, self._number, is_last=is_last))
            self._plain += self._stretch.decompress(plain)
        except (InvalidTag, zlib.error, ValueError):
            raise DamagedError(f"{self._path} is damaged: part {self._number + 1} was changed.") from None
        self._number += 1
        if is_last:
            self._ended = True
            if self._file.read(1):
                raise DamagedError(f"{self._path} is damaged: something follows its end.")
