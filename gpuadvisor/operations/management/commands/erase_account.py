"""Delete an account whose owner asked staff for it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gpuadvisor.accounts.models import User
from gpuadvisor.core.errors import DomainError
from gpuadvisor.operations.privacy import erasing


class Command(BaseCommand):
    help = "Let an account be deleted in seven days, as its owner could on the page Privacy; a mail tells them."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("email")
        parser.add_argument("--reason", required=True, help="shown to the owner, as in 'asked by mail, ticket 7'")
        parser.add_argument("--undo", action="store_true", help="take it back instead")

    def handle(self, *, email: str, reason: str, undo: bool, **options: Any) -> None:
        user = User.objects.filter(email=User.objects.normalize_email(email)).first()
        if user is None:
            raise CommandError("There is no account of this address.")
        if undo:
            row = erasing.open_of(user)
            if row is None or not erasing.undo(row, reason=reason):
                raise CommandError("There is no deletion that could be taken back.")
            self.stdout.write(self.style.SUCCESS("Taken back: the account stays."))
            return
        try:
            row = erasing.ask(user, reason=reason)
        except DomainError as error:
            raise CommandError(error.user_message) from error
        self.stdout.write(self.style.SUCCESS(f"It is deleted on {row.due_at:%Y-%m-%d %H:%M} UTC unless taken back."))
