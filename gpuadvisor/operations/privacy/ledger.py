"""Which accounts were erased, in a file outside the database: a restore brings them back, this takes them away again.

One line of JSON for each, only ever added to. `mac` is over the line and the `mac` of the line before, so a line that
was changed, put in or taken out shows. A copy lies in each folder of backups. A line holds an account's key, no person.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

FILE = "erasures.jsonl"
FIRST = "0" * 64


@dataclass(frozen=True)
class Line:
    account: UUID
    at: datetime


@dataclass(frozen=True)
class Read:
    """The lines that are as they were written, and what is wrong with the rest, in sentences."""

    lines: tuple[Line, ...] = ()
    troubles: tuple[str, ...] = ()


def path() -> Path:
    return Path(settings.ERASURE_LEDGER_DIR) / FILE


def copies() -> list[Path]:
    """Where else the ledger lies: beside the backups, where such folders are set."""
    folders = [Path(name) for name in (settings.BACKUP_DIR, settings.BACKUP_COPY_DIR) if name]
    return [folder / FILE for folder in folders if folder.is_dir() and folder / FILE != path()]


def add(account: UUID, at: datetime) -> None:
    """Write down that an account is erased, on the disk before this returns. One that is there already is left.

    Raises: OSError.
    """
    file = path()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "r+b") as ledger:
        fcntl.flock(ledger, fcntl.LOCK_EX)
        text = ledger.read()
        if any(line.account == account for line in _read(text, str(file)).lines):
            return
        last = _last(text)
        line = {"n": last["n"] + 1, "account": str(account), "at": at.isoformat(), "before": last["mac"]}
        line["mac"] = _mac(line, _keys()[0])
        torn = b"\n" if text and not text.endswith(b"\n") else b""
        ledger.write(torn + json.dumps(line).encode() + b"\n")
        ledger.flush()
        os.fsync(ledger.fileno())
        _copy(text + torn + json.dumps(line).encode() + b"\n")
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _copy(text: bytes) -> None:
    """Beside the backups: a folder that is away now has it again with the next line."""
    for target in copies():
        with suppress(OSError):
            part = target.with_suffix(".part")
            part.touch(mode=0o600)
            part.write_bytes(text)
            part.replace(target)


def read() -> Read:
    """All erasures that the ledger or one of its copies knows of, in their order."""
    found: dict[UUID, Line] = {}
    troubles: list[str] = []
    files = [file for file in (path(), *copies()) if file.exists()]
    for file in files:
        one = _read(file.read_bytes(), str(file))
        troubles += one.troubles
        for line in one.lines:
            found.setdefault(line.account, line)
    return Read(tuple(sorted(found.values(), key=lambda line: line.at)), tuple(troubles))


def _read(text: bytes, name: str) -> Read:
    lines, troubles, before, number = [], [], FIRST, 0
    for place, row in enumerate(filter(None, text.split(b"\n")), start=1):
        try:
            said = json.loads(row)
            line = Line(UUID(said["account"]), datetime.fromisoformat(said["at"]))
            is_genuine = any(hmac.compare_digest(_mac(said, key), said["mac"]) for key in _keys())
        except (ValueError, KeyError, TypeError, AttributeError):
            troubles.append(f"{name}: line {place} cannot be read.")
            continue
        if not is_genuine:
            troubles.append(f"{name}: line {place} is not as it was written, or of another SECRET_KEY.")
            continue
        if (said["before"], said["n"]) != (before, number + 1):
            troubles.append(f"{name}: before line {place} something was taken out or put in.")
        before, number = said["mac"], said["n"]
        lines.append(line)
    return Read(tuple(lines), tuple(troubles))


def _last(text: bytes) -> dict[str, Any]:
    """The last line that is genuine, to which the next is chained."""
    for row in reversed(text.split(b"\n")):
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            said = json.loads(row)
            if any(hmac.compare_digest(_mac(said, key), said["mac"]) for key in _keys()):
                return {"n": int(said["n"]), "mac": said["mac"]}
    return {"n": 0, "mac": FIRST}


def _mac(line: dict[str, Any], key: bytes) -> str:
    text = "|".join(str(line[name]) for name in ("n", "account", "at", "before"))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _keys() -> list[bytes]:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [hashlib.sha256(f"gpuadvisor:erasures:{secret}".encode()).digest() for secret in secrets]


def missing(accounts: Iterator[tuple[UUID, datetime]]) -> int:
    """Add erasures that the database knows of and the ledger does not: it was moved or lost. Their number."""
    known = {line.account for line in _read(path().read_bytes() if path().exists() else b"", str(path())).lines}
    added = 0
    for account, at in accounts:
        if account not in known:
            add(account, at)
            added += 1
    return added
