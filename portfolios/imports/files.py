"""Files of imports: `DATA_DIR/imports/<user>/<import>.csv`, named by us; parts of uploads beside them."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.utils.translation import gettext as _

from .cells import shorten

KEEP_SECONDS = 2 * 24 * 60 * 60


def folder() -> Path:
    return Path(settings.DATA_DIR) / "imports"


def path_of(user_pk: UUID, pk: UUID) -> Path:
    return folder() / user_pk.hex / f"{pk.hex}.csv"


def discard(user_pk: UUID, pk: UUID) -> None:
    path_of(user_pk, pk).unlink(missing_ok=True)


def too_large() -> str:
    return _("The file is larger than %(n)d MB: split it.") % {"n": settings.MAX_IMPORT_BYTES // 2**20}


class Arrived(UploadedFile[bytes]):
    """A file that has come in whole: its bytes lie in the folder of imports, its sum is known."""

    def __init__(self, file: Any, name: str, size: int, sha256: str) -> None:
        super().__init__(file=file, name=name, size=size)
        self.path, self.sha256 = Path(file.name), sha256

    def move_to(self, user_pk: UUID, pk: UUID) -> None:
        target = path_of(user_pk, pk)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.replace(target)


class IntoFolder(FileUploadHandler):
    """Writes an upload straight into the folder of imports and adds it up on the way: memory stays flat."""

    target: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.paths: list[Path] = []

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        self.target = NamedTemporaryFile(dir=folder(), suffix=".part", delete=False)  # noqa: SIM115 - closed below
        self.paths.append(Path(self.target.name))
        self.sum = hashlib.sha256()
        self.size = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.size += len(raw_data)
        if self.size > settings.MAX_IMPORT_BYTES:
            self.upload_interrupted()
            raise StopUpload(connection_reset=True)
        self.target.write(raw_data)
        self.sum.update(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile[bytes]:
        self.target.close()
        return Arrived(self.target.file, shorten(self.file_name or "", 199), file_size, self.sum.hexdigest())

    def upload_interrupted(self) -> None:
        self.drop()

    def drop(self) -> None:
        """Delete what has come in and was moved nowhere."""
        if self.target is not None:
            self.target.close()
        for path in self.paths:
            path.unlink(missing_ok=True)


def purge(kept: set[UUID], *, now: float | None = None) -> int:
    """Delete files older than two days that belong to no waiting import; their number."""
    limit, deleted = (now or time.time()) - KEEP_SECONDS, 0
    for file in [*folder().glob("*/*.csv"), *folder().glob("*.part")]:
        if file.suffix == ".csv" and any(file.stem == pk.hex for pk in kept):
            continue
        if file.stat().st_mtime < limit:
            file.unlink(missing_ok=True)
            deleted += 1
    for owner in folder().glob("*"):
        if owner.is_dir() and not any(owner.iterdir()):
            owner.rmdir()
    return deleted
