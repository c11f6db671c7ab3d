"""Run one scheduled job now, in this process: no broker and no worker are needed."""

import json
import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from gpuadvisor.core.errors import DomainError
from gpuadvisor.operations import running


class Command(BaseCommand):
    help = "Run one scheduled job now. `manage.py jobs` tells their names. Ends with 1 where it fails."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="as in `manage.py jobs`: core.clean-up")
        parser.add_argument("--json", action="store_true", help="as JSON: {ok, job, rows, error, seconds}")

    def handle(self, *, name: str, json: bool, **options: Any) -> None:
        job = running.find(name)
        if job is None:
            raise CommandError(f"There is no job {name}: `manage.py jobs` tells their names.")
        began = time.monotonic()
        try:
            result = running.run_here(job)
        except DomainError as error:
            raise CommandError(f"{name}: {error.user_message}") from None
        result["seconds"] = round(time.monotonic() - began, 3)
        if json:
            self.stdout.write(_text(result))
        elif result["ok"]:
            self.stdout.write(self.style.SUCCESS(f"{name}: {result['rows']} rows in {result['seconds']:.1f} s"))
        else:
            self.stderr.write(self.style.ERROR(f"{name} failed: {result['error']}"))
        if not result["ok"]:
            sys.exit(1)


def _text(result: dict[str, Any]) -> str:
    return json.dumps(result)
