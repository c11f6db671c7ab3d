"""PostgreSQL's archive_command: `python3 -ISE archive.py SOURCE TARGET` lays a finished WAL file into the spool.

It runs under the server's account, which may reach no package: the standard library alone. A job encrypts
what lies here. Until the first backup has begun (its file `armed` stands beside the target) no WAL is of use to
anybody, and none is kept.
"""

import contextlib
import filecmp
import os
import shutil
import sys
from pathlib import Path


def keep(source: Path, target: Path) -> str:
    """Copy durably; the reason why not, or nothing. What is there already with the same bytes is done already."""
    if not target.parent.is_dir():
        return f"the folder {target.parent} is missing"
    if not (target.parent / "armed").exists():
        return ""
    if target.exists():
        same = filecmp.cmp(source, target, shallow=False)
        return "" if same else f"{target} is there already, with other bytes"
    half = target.with_name(f"{target.name}.part.{os.getpid()}")
    try:
        for old in target.parent.glob(f"{target.name}.part.*"):  # of a run that was killed: there is one archiver
            old.unlink()
        with source.open("rb") as read, half.open("xb") as written:
            shutil.copyfileobj(read, written, 1 << 20)
            written.flush()
            os.fsync(written.fileno())
        half.rename(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            half.unlink()
        return f"{target}: {error.strerror}"
    return ""


def main() -> int:
    if len(sys.argv) != 3:
        print("archive.py SOURCE TARGET", file=sys.stderr)
        return 2
    reason = keep(Path(sys.argv[1]), Path(sys.argv[2]))
    if reason:
        print(f"archive.py: {reason}", file=sys.stderr)
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
