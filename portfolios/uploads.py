"""Files waiting for their owner's yes: `DATA_DIR/imports/<user>/<id>.csv`, named by us, purged after a day.

The owner is in the path, so another host's id finds nothing. A stored import leaves `<id>.done` with its counts.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from uuid import UUID, uuid4

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from gpuadvisor.accounts.models import User

KEEP_SECONDS = 24 * 60 * 60
KEEP_FILES = 10


def folder() -> Path:
    return Path(settings.DATA_DIR) / "imports"


def _path(user: User, token: UUID, ending: str) -> Path:
    return folder() / user.pk.hex / f"{token.hex}.{ending}"


def keep(user: User, upload: UploadedFile[bytes]) -> UUID:
    """Store the file under a name that nobody can guess; the oldest of this user's files make room. Raises: OSError."""
    token = uuid4()
    path = _path(user, token, "csv")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as target:
        for chunk in upload.chunks():
            target.write(chunk)
    part.replace(path)
    files = sorted(path.parent.iterdir(), key=lambda file: file.stat().st_mtime)
    for old in files[:-KEEP_FILES]:
        old.unlink(missing_ok=True)
    return token


def waiting(user: User, token: UUID) -> bytes | None:
    """The file's bytes; None where there is none (any more)."""
    try:
        return _path(user, token, "csv").read_bytes()
    except FileNotFoundError:
        return None


def done(user: User, token: UUID) -> dict[str, int] | None:
    """The counts of an import that was stored; None where there is none."""
    try:
        return dict(json.loads(_path(user, token, "done").read_text()))
    except FileNotFoundError:
        return None


def finish(user: User, token: UUID, counts: dict[str, int]) -> None:
    """Replace the file by its counts, so that a second yes is answered and stores nothing."""
    note = _path(user, token, "done")
    note.with_suffix(".tmp").write_text(json.dumps(counts))
    note.with_suffix(".tmp").replace(note)
    discard(user, token)


def discard(user: User, token: UUID) -> bool:
    """Delete the file; whether there was one."""
    try:
        _path(user, token, "csv").unlink()
    except FileNotFoundError:
        return False
    return True


def purge(now: float | None = None) -> int:
    """Delete what has waited for a day; the number of files deleted."""
    limit = (now or time.time()) - KEEP_SECONDS
    deleted = 0
    for owner in folder().glob("*"):
        for file in owner.glob("*"):
            if file.stat().st_mtime < limit:
                file.unlink(missing_ok=True)
                deleted += 1
        if owner.is_dir() and not any(owner.iterdir()):
            shutil.rmtree(owner, ignore_errors=True)
    return deleted
