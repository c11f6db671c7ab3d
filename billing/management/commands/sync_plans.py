"""`sync_plans`: make Stripe sell what the table of plans says."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing import client, selling


class Command(BaseCommand):
    help = "Create or update Stripe's products and prices from billing/plans.py; a second run changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="only tell what would change; fails where anything")

    def handle(self, *, check: bool, **options: Any) -> None:
        if not settings.STRIPE_KEY:
            raise CommandError("Set STRIPE_KEY first.")
        try:
            lines = selling.bring(only_look=check)
        except (client.StripeAway, client.StripeRefused) as error:
            raise CommandError(f"{error} Run it again: what is done stays done.") from error
        for line in lines:
            self.stdout.write(line)
        mode = "live mode" if settings.STRIPE_LIVE_MODE else "test mode"
        if check and lines:
            raise CommandError(f"Stripe ({mode}) sells something else than the table says.")
        done = "Products and prices are up to date" if lines else "Nothing changed"
        self.stdout.write(self.style.SUCCESS(f"{done} ({mode})."))
