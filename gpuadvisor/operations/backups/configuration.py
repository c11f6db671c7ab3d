"""What the settings BACKUP_* say, and the errors of this package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings


class BackupError(Exception):
    """A backup or a restore that did not succeed; its text is a sentence for an operator."""


class Off(BackupError):
    """There are no backups here, on purpose or for want of settings."""


@dataclass(frozen=True)
class Configuration:
    """Units: `days` back to any moment of which the database can be brought."""

    driver: str
    url: str  # the owner's
    folder: Path
    copy: Path | None
    keys: tuple[str, ...]  # the first one seals, all open
    days: int
    data: Path
    spool: Path | None = None
    embedded: Path | None = None  # the home of our own server
    stanza: str = ""
    pgbackrest_config: str = ""
    user: str = "postgres"
    programs: Path | None = None


def configuration() -> Configuration:
    """The backups of this installation.

    Raises: Off with the reason.
    """
    if settings.BACKUP_DRIVER == "off":
        embedded = bool(settings.EMBEDDED_POSTGRES)
        raise Off(
            "Backups are switched off (BACKUP_DRIVER=off)."
            if embedded
            else "Backups are off: DATABASE_URL names a server of your own, and no BACKUP_ setting says how to back it"
            ' up (docs/operations.md, "Backups").'
        )
    missing = [name for name in ("BACKUP_KEY", "BACKUP_DIR") if not getattr(settings, name)]
    if settings.BACKUP_DRIVER == "basebackup" and not settings.BACKUP_SPOOL:
        missing.append("BACKUP_SPOOL")
    if settings.BACKUP_DRIVER == "pgbackrest" and not settings.BACKUP_STANZA:
        missing.append("BACKUP_STANZA")
    if missing:
        raise Off(f"Backups are off: {', '.join(missing)} must be set.")
    return Configuration(
        driver=settings.BACKUP_DRIVER,
        url=settings.DATABASE_URLS["owner"],
        folder=Path(settings.BACKUP_DIR),
        copy=Path(settings.BACKUP_COPY_DIR) if settings.BACKUP_COPY_DIR else None,
        keys=(settings.BACKUP_KEY, *settings.BACKUP_KEY_FALLBACKS),
        days=settings.BACKUP_DAYS,
        data=settings.DATA_DIR,
        spool=Path(settings.BACKUP_SPOOL) if settings.BACKUP_SPOOL else None,
        embedded=Path(settings.EMBEDDED_POSTGRES) if settings.EMBEDDED_POSTGRES else None,
        stanza=settings.BACKUP_STANZA,
        pgbackrest_config=settings.BACKUP_PGBACKREST_CONFIG,
        user=settings.BACKUP_USER,
        programs=Path(settings.BACKUP_PG_BIN) if settings.BACKUP_PG_BIN else None,
    )
