"""`make_forecasts`: what the job does every six hours, by hand."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand

from market.forecasts import make_forecasts
from market.models import MarketForecast


class Command(BaseCommand):
    help = "Forecast the next 7 and 30 days of every market series anew, with its seasonal factors. Safe to repeat."

    def handle(self, **options: Any) -> None:
        started = time.monotonic()
        made = make_forecasts()
        series = MarketForecast.objects.values("gpu_model", "platform", "origin").distinct().count()
        self.stdout.write(f"{made} forecasts of {series} series in {time.monotonic() - started:.1f} s")
        if not made:
            self.stdout.write("A series is forecast once it is 14 days old and has a figure of today or yesterday.")
