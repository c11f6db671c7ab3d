"""`manage.py chaos_alerts`: whether any alert is lost while workers, Redis and PostgreSQL are killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

OURS = ("DATABASE_URL", "WEB_DATABASE_URL", "WORKER_DATABASE_URL", "REDIS_URL", "CACHE_URL", "DATA_DIR", "SECRET_KEY")


class Command(BaseCommand):
    help = "Record and send alerts on servers of its own while those are killed; count at the receiver (two minutes)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--alerts", type=int, default=1_000, help="how many; default 1000")
        parser.add_argument("--json", action="store_true", help="one line of JSON: ok, sent, lost, repeats, …")

    def handle(self, *, alerts: int, json: bool, **options: Any) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in OURS}
        run = subprocess.run(
            [sys.executable, "-m", "alerts.chaos", "--alerts", str(alerts)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if not run.stdout.strip():
            raise CommandError("The run broke off.")
        line = run.stdout.strip().splitlines()[-1]
        self.stdout.write(line if json else _words(line))
        if run.returncode:
            raise CommandError("An alert was lost, or came twice under different ids.")


def _words(line: str) -> str:
    found = json.loads(line)
    return (
        f"{found['sent']} alerts over {found['kills']} worker kills, {found['wipes']} Redis wipes and"
        f" {found['restarts']} PostgreSQL restart in {found['seconds']} s: {found['lost']} lost,"
        f" {found['repeats']} repeats (at most {found['most_copies']} copies, {found['other_ids']} under another id),"
        f" {found['refused']} posts refused by the receiver."
    )
