"""Write the contract of the API: `manage.py export_openapi`. It adds; it never takes back."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gpuadvisor.api import contract


class Command(BaseCommand):
    help = "Write docs/api/openapi-v1.json as the code has it; refused where something promised would be gone."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        live = contract.live()
        lost = contract.removed(contract.committed(), live) if contract.FILE.exists() else []
        if lost:
            raise CommandError("Version 1 only ever adds. Gone or changed:\n  " + "\n  ".join(lost))
        contract.FILE.parent.mkdir(parents=True, exist_ok=True)
        contract.FILE.write_text(json.dumps(live, indent=2, ensure_ascii=False) + "\n")
        self.stdout.write(self.style.SUCCESS(f"{contract.FILE}: {len(live['paths'])} endpoints"))
