"""A backup's files against the sums that the server gave with them: our own pg_verifybackup."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import tarfile
from pathlib import Path
from typing import Any, BinaryIO, cast

from .configuration import BackupError
from .crypt import DamagedError, Opener

PIECE = 1 << 20
MANIFEST = "backup_manifest"
UNLISTED = ("pg_wal/", MANIFEST)


def unpack_tar(opened: Opener, folder: Path | None) -> bytes:
    """Unpack a backup's stream into `folder` (None: only read it), each file against the manifest at its end.

    Returns: the manifest. Raises: DamagedError where a file is missing, changed, or not in the manifest.
    """
    sums: dict[str, tuple[int, str]] = {}
    manifest = b""
    try:
        with tarfile.open(fileobj=cast("Any", opened), mode="r|", bufsize=PIECE) as tar:
            for member in tar:
                name = os.path.normpath(member.name)
                if name.startswith(("/", "..")) or not (member.isfile() or member.isdir()):
                    raise BackupError(f"{member.name} is neither a file nor a folder: tablespaces are not supported.")
                if member.isdir():
                    if folder is not None:
                        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
                    continue
                source = cast("BinaryIO", tar.extractfile(member))
                if name == MANIFEST:
                    manifest = source.read()
                    if folder is not None:
                        (folder / name).write_bytes(manifest)
                    continue
                sums[name] = _copy(source, folder / name if folder is not None else None)
    except tarfile.TarError as error:
        raise DamagedError(f"The backup's stream cannot be unpacked: {error}.") from error
    opened.read()  # to the end, whose seal says that nothing was cut off
    _compare(manifest, sums)
    return manifest


def _copy(source: BinaryIO, target: Path | None) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    file = target.open("wb") if target is not None else None
    try:
        while piece := source.read(PIECE):
            digest.update(piece)
            size += len(piece)
            if file is not None:
                file.write(piece)
    finally:
        if file is not None:
            file.close()
    return size, digest.hexdigest()


def _compare(manifest: bytes, sums: dict[str, tuple[int, str]]) -> None:
    """Our own pg_verifybackup: that of the embedded server's package dies."""
    if not manifest:
        raise DamagedError("The backup has no manifest: it was broken off.")
    body, _, end = manifest.rpartition(b'"Manifest-Checksum"')
    told = json.loads(b"{" + b'"Manifest-Checksum"' + end)["Manifest-Checksum"]
    if not secrets.compare_digest(hashlib.sha256(body).hexdigest(), told):
        raise DamagedError("The backup's manifest was changed.")
    listed = {}
    for entry in json.loads(manifest)["Files"]:
        name = entry["Path"] if "Path" in entry else bytes.fromhex(entry["Encoded-Path"]).decode()
        listed[name] = (entry["Size"], entry["Checksum"])
        if entry["Checksum-Algorithm"] != "SHA256":
            raise DamagedError(f"{name} has no SHA-256 in the manifest.")
    for name, wanted in listed.items():
        found = sums.get(name)
        if found is None:
            raise DamagedError(f"{name} is missing in the backup.")
        if found != wanted:
            raise DamagedError(f"{name} is not as the server sent it.")
    for name in sums:
        if name not in listed and not name.startswith(UNLISTED):
            raise DamagedError(f"{name} is in the backup, but not in its manifest.")


def check_manifest(data: Path) -> int:
    """Check the files of a folder against its own manifest; how many they are.

    Raises: DamagedError.
    """
    sums = {}
    for path in data.rglob("*"):
        name = path.relative_to(data).as_posix()
        if path.is_file() and name != MANIFEST:
            with path.open("rb") as source:
                sums[name] = _copy(source, None)
    _compare((data / MANIFEST).read_bytes(), sums)
    return len(sums)
