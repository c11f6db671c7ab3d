"""`reconcile_stripe`: compare all that we have with all that Stripe has, and put right what differs."""

from __future__ import annotations

import json
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing import client, reconciling
from billing.models import Reconciliation
from billing.reconciling.comparing import Difference
from gpuadvisor.accounts.models import User

SECONDS = 120.0  # after so long it writes down where it stands at the latest


class Command(BaseCommand):
    help = (
        "Compare every account, subscription and paid invoice with Stripe, and put right what differs. "
        "It may be stopped and run again: it goes on where it was. Run it after a restore, before workers start."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="only tell; fails where anything differs")
        parser.add_argument("--json", action="store_true", help="tell it as JSON")
        parser.add_argument("--account", metavar="EMAIL", help="this account alone")

        parser.add_argument(
            "--sure", action="store_true", help="go on though Stripe does not know most of those who pay"
        )

    def handle(self, *, check: bool, **options: Any) -> None:
        if not settings.STRIPE_KEY:
            raise CommandError("Set STRIPE_KEY first.")
        try:
            compared, found = self._compare(check, options["account"], options["sure"])
        except reconciling.Busy:
            raise CommandError("Another comparison is under way: try again in five minutes.") from None
        except (client.StripeAway, client.StripeRefused) as error:
            raise CommandError(f"{error} Run it again.") from error
        self._tell(compared, found, as_json=options["json"])
        open_ones = [one for one in found if not one.is_repaired]
        if open_ones:
            raise CommandError(f"{len(open_ones)} differences from Stripe are open.")

    def _compare(self, check: bool, email: str | None, is_sure: bool) -> tuple[int, list[Difference]]:
        if email:
            user = User.objects.filter(email=User.objects.normalize_email(email)).first()
            if user is None:
                raise CommandError("No account has this address.")
            this = reconciling.account(user, only_looks=check)
            return this.compared, this.differences
        if check:
            this = reconciling.only_look()
            return this.compared, this.differences
        run = reconciling.take()
        found: list[Difference] = []
        while True:
            found += reconciling.work(run, end=time.monotonic() + SECONDS, is_sure=is_sure)
            if run.ended_at and run.error:
                raise CommandError(run.error)
            if run.ended_at:
                return Reconciliation.objects.get(pk=run.pk).compared, found
            if run.error:
                raise CommandError(f"{run.error} Or run it again: it goes on where it stopped.")
            run = reconciling.take()

    def _tell(self, compared: int, found: list[Difference], *, as_json: bool) -> None:
        if as_json:
            rows = [
                {
                    "account": one.user.email if one.user else None,
                    "customer": one.customer,
                    "field": one.field,
                    "ours": one.ours,
                    "theirs": one.theirs,
                    "repaired": one.is_repaired,
                    "error": one.error,
                }
                for one in found
            ]
            self.stdout.write(json.dumps({"compared": compared, "differences": rows}, indent=2))
            return
        for one in found:
            who = one.user.email if one.user else one.customer
            done = "put right" if one.is_repaired else one.error or "open"
            self.stdout.write(f"{who}: {one.field}: ours {one.ours or '-'}, Stripe's {one.theirs or '-'}: {done}")
        mode = "live mode" if settings.STRIPE_LIVE_MODE else "test mode"
        text = f"{compared} accounts compared, {len(found)} differences ({mode})."
        self.stdout.write(self.style.SUCCESS(text) if not found else text)
