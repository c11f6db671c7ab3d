"""Delete again whom a restored database brought back."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gpuadvisor.core import clock
from gpuadvisor.operations.privacy import erasing, ledger


class Command(BaseCommand):
    help = (
        "Delete again the accounts that the ledger of deletions names and the database still has: after a restore."
        " `restore` does it by itself. Safe to repeat."
    )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--check", action="store_true", help="only say whether the ledger is as it was written")

    def handle(self, *, check: bool, **options: Any) -> None:
        if check:
            book = ledger.read()
            self.stdout.write(f"{ledger.path()}: {len(book.lines)} deletions, copies: {_names() or 'none'}")
            if book.troubles:
                raise CommandError("\n".join(book.troubles))
            self.stdout.write(self.style.SUCCESS("Every line is as it was written."))
            return
        try:
            said = erasing.replay(clock.now())
        except RuntimeError as trouble:
            raise CommandError(str(trouble)) from trouble
        self.stdout.write(self.style.SUCCESS(said))


def _names() -> str:
    return ", ".join(str(copy) for copy in ledger.copies() if copy.exists())
