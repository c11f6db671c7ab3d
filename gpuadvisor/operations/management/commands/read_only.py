"""Let hosts look and not write, while something is done to the site."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from gpuadvisor.operations import mode
from gpuadvisor.operations.models import SiteMode


class Command(BaseCommand):
    help = "Read-only mode: on, off, or (without a word) how it stands."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("word", nargs="?", choices=["on", "off"])
        parser.add_argument("--sentence", default="", help="What hosts read meanwhile; at most 300 characters.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["word"]:
            mode.switch(is_read_only=options["word"] == "on", sentence=options["sentence"])
        row = SiteMode.objects.first()
        if row is None or not row.is_read_only:
            self.stdout.write("Open: hosts may write.")
            return
        self.stdout.write(f"Read-only since {row.changed_at:%Y-%m-%d %H:%M} UTC: hosts look, staff write in the admin.")
        self.stdout.write(f"They read: {mode.sentence_of(mode.Mode(is_read_only=True, sentence=row.sentence))}")
