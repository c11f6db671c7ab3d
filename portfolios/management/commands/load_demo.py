"""`load_demo`: the demo host, and a market to see it in."""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError
from market import forecasts, history, invented
from market.models import GPUModel
from portfolios import comparing, demo
from portfolios.signals import demo_loaded

log = logging.getLogger(__name__)
MARKET_DAYS = 30


class Command(BaseCommand):
    help = "Load the demo host with 90 days of figures; running it again adds the days that are missing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reset", action="store_true", help="make the demo host's fleet anew, up to today")

    def handle(self, *, reset: bool, verbosity: int = 1, **options: Any) -> None:
        try:
            user = demo.load_demo(today=clock.today(), reset=reset)
        except GPUModel.DoesNotExist as error:
            raise CommandError("The GPU catalog is not loaded: run load_gpu_catalog first.") from error
        self._tell_login()
        if settings.MARKET_SIMULATION:
            invented.simulate(days=MARKET_DAYS)  # does nothing where a live source speaks
        self._import_history()
        forecasts.make_forecasts()
        comparing.make_days()
        demo.advise(user, clock.today())
        demo_loaded.send(sender=Command, user=user)
        if verbosity:
            self.stdout.write(self.style.SUCCESS(f"Demo login: {demo.EMAIL} / {demo.PASSWORD}"))

    def _tell_login(self) -> None:
        """Leave the login where `make run` looks for what to print."""
        settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
        (settings.DATA_DIR / "demo_login").write_text(f"Demo login: {demo.EMAIL} / {demo.PASSWORD}\n", encoding="utf-8")

    def _import_history(self) -> None:
        """Observed history, where its file lies beside the checkout: again too, for rules may have come since."""
        if not history.default_path().exists():
            return
        try:
            history.import_history()
        except DomainError as error:
            log.warning("the market history was not imported: %s", error)
