"""The demo host: an invented fleet with 90 days of figures, told from the simulated market, some of it unknown."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from allauth.account.models import EmailAddress
from django.db import transaction

from billing.services import set_tier
from gpuadvisor.accounts.models import Tier, User
from gpuadvisor.core.money import amount, rate
from gpuadvisor.core.partitions import ensure_months
from market.models import GPUModel
from market.simulation import LEVELS, level, rented_share

from . import caching, demo_samples, estimates, journal, services
from .models import GPUConfiguration, MetricSample, PerformanceMetric, Portfolio
from .suggestions import service as suggesting

EMAIL = "demo@gpuadvisor.example"
PASSWORD = "gpu-advisor-demo-1"  # noqa: S105 - printed on purpose: the account is read-only
NAME = "Demo host"
DAYS = 90

REPRICED = ("dc-h100", "dc-l40s", "rig-02", "bench", "rig-03", "rig-01")  # five days apart


@dataclass(frozen=True)
class Rig:
    """One invented GPU configuration. `place` is its rate against the market median, `ease` what that does to its use.

    Every `outage_every` days two days have no row; `tells_utilization` is False where the platform publishes none;
    `has_meter`: its samples tell measured watts; `is_disputed`: a file tells other revenue of some of its days.
    """

    name: str
    gpu: str
    quantity: int
    place: float
    ease: float
    platform: str
    mapping: dict[str, str]
    details: dict[str, Any] = field(default_factory=dict)
    outage_every: int = 0
    tells_utilization: bool = True
    has_meter: bool = False
    is_disputed: bool = False
    usd_per_kwh: str = ""


FLEET: dict[str, tuple[str, str, tuple[Rig, ...]]] = {
    "Colocation": (
        "Half a rack. Power is billed per machine; nobody has told us the price for the bench yet.",
        "",
        (
            Rig("dc-h100", "H100 SXM", 2, 0.94, 6, "vast", {"machine_id": "41207"}, usd_per_kwh="0.115"),
            Rig(
                "dc-l40s",
                "L40S",
                4,
                1.03,
                0,
                "runpod",
                {"machine_id": "8z5qh1w0l2kd"},
                usd_per_kwh="0.115",
                tells_utilization=False,
            ),
            Rig("bench", "RTX A6000", 2, 1.12, -14, "vast", {"machine_id": "41388"}),
        ),
    ),
    "Garage": (
        "Three open frames on one meter.",
        "0.18",
        (
            Rig(
                "rig-01",
                "RTX 4090",
                4,
                0.97,
                4,
                "vast",
                {"machine_id": "38941"},
                {"power_limit_percentage": "80", "cooling": "air"},
            ),
            Rig("rig-02", "RTX 3090", 6, 1.06, -3, "vast", {"machine_id": "38942"}, outage_every=28, is_disputed=True),
            Rig(
                "rig-03",
                "RTX 5090",
                2,
                1.18,
                -9,
                "vast",
                {"machine_id": "40015"},
                {"measured_watts": "510"},
                has_meter=True,
            ),
        ),
    ),
}


def load_demo(*, today: date, reset: bool = False) -> User:
    """The demo host with figures up to `today`. Running it again adds what is missing; `reset` makes the fleet anew.

    Raises: GPUModel.DoesNotExist where the catalog is not loaded.
    """
    with transaction.atomic():
        user = _demo_user()
        if reset:
            Portfolio.objects.visible_to(user).delete()
        if not Portfolio.objects.visible_to(user).exists():
            for age, (name, (description, price, rigs)) in enumerate(FLEET.items()):
                portfolio = services.create_portfolio(
                    user=user, name=name, description=description, price=_price(price)
                )
                for rig in rigs:
                    services.add_gpu(
                        portfolio=portfolio,
                        gpu_model=GPUModel.objects.get(name=rig.gpu),
                        quantity=rig.quantity,
                        custom_name=rig.name,
                        hardware_details=dict(rig.details),
                        platform_mappings={rig.platform: dict(rig.mapping)},
                        price=_price(rig.usd_per_kwh),
                    )
                began = datetime.combine(today - timedelta(days=DAYS - age), time(9), UTC)
                Portfolio.objects.filter(pk=portfolio.pk).update(created_at=began)
                portfolio.gpus.update(added_at=began)
    top_up_demo(today)
    return user


def advise(user: User, today: date) -> None:
    """The journal and the suggestions of the demo host at once, where the jobs would bring them within the hour."""
    gpus = GPUConfiguration.objects.visible_to(user).active().values_list("pk", flat=True)
    journal.see_changes(list(gpus), today - timedelta(days=DAYS), today)
    suggesting.make(user)


def _price(text: str) -> services.Price | None:
    return services.Price(Decimal(text)) if text else None


def _demo_user() -> User:
    user = User.objects.filter(email=EMAIL).first()
    if user is None:
        user = User.objects.create_user(EMAIL, PASSWORD, name=NAME, email_verified=True, is_demo=True)
        set_tier(user, Tier.PROFESSIONAL)
    elif not user.check_password(PASSWORD):
        user.set_password(PASSWORD)
        user.save(update_fields=["password"])
    EmailAddress.objects.get_or_create(user=user, email=EMAIL, defaults={"verified": True, "primary": True})
    return user


def top_up_demo(today: date) -> int:
    """Add the days that are missing up to `today`, 90 at most; the number of rows added. Safe to repeat."""
    rigs = {rig.name: rig for _description, _price, fleet in FLEET.values() for rig in fleet}
    gpus = GPUConfiguration.objects.active().filter(portfolio__user__email=EMAIL, portfolio__user__is_demo=True)
    first = today - timedelta(days=DAYS - 1)
    ensure_months(PerformanceMetric, first, today)
    ensure_months(MetricSample, first, today)
    with transaction.atomic():
        held = list(gpus.select_related("portfolio"))
        there = set(
            PerformanceMetric.objects.filter(gpu_configuration__in=held, metric_date__range=(first, today)).values_list(
                "gpu_configuration_id", "metric_date"
            )
        )
        missing = [
            row
            for gpu in held
            if gpu.custom_name in rigs
            for row in _rows(gpu, rigs[gpu.custom_name], first, today)
            if (gpu.pk, row.metric_date) not in there
        ]
        PerformanceMetric.objects.bulk_create(missing, batch_size=1000, ignore_conflicts=True)
        demo_samples.top_up([(gpu, rigs[gpu.custom_name]) for gpu in held if gpu.custom_name in rigs], today)
        estimates.refresh({gpu.portfolio_id for gpu in held}, today=today)
        for user_id in {gpu.portfolio.user_id for gpu in held}:
            caching.bump(user_id)
    return len(missing)


def _rows(gpu: GPUConfiguration, rig: Rig, first: date, last: date) -> Iterator[PerformanceMetric]:
    for day in (first + timedelta(days=n) for n in range((last - first).days + 1)):
        if rig.outage_every and day.toordinal() % rig.outage_every in (0, 1):
            continue
        hourly = hourly_rate(rig, day)
        share = utilization(rig, day)
        hours = 24 if _wave(rig.name, day, 11) > -0.93 else 21
        yield PerformanceMetric(
            gpu_configuration=gpu,
            platform=rig.platform,
            metric_date=day,
            hourly_rate=hourly,
            utilization_percentage=share if rig.tells_utilization else None,
            uptime_hours=hours,
            daily_revenue=amount(hourly * rig.quantity * hours * share / 100),
            detailed_metrics={"source": "demo"},
        )


def hourly_rate(rig: Rig, day: date) -> Decimal:
    """That day's rate: the rig's place times the simulated market's median at the last repricing, every 30 days.

    One rig after the other, so that advice, which is quiet for ten days after a change, speaks of most of them.
    """
    turn = REPRICED.index(rig.name) if rig.name in REPRICED else 0
    repriced = day - timedelta(days=(day.toordinal() + 5 * turn) % 30)
    median = LEVELS[rig.gpu][0] * level(rig.gpu, datetime.combine(repriced, time(12), UTC))
    return rate(Decimal(str(round(median * rig.place, 3))))


def utilization(rig: Rig, day: date) -> Decimal:
    """Percent rented on that day: the simulated market's share, the rig's own ease, and its own luck."""
    share = 100 * rented_share(rig.gpu, datetime.combine(day, time(12), UTC)) + rig.ease
    share += 9 * _wave(rig.name, day, 5) + 6 * _wave(rig.name, day, 2)
    return Decimal(str(round(min(100.0, max(0.0, share)), 1)))


def _wave(name: str, day: date, period: float) -> float:
    """A number from -1 to 1 that only name and day decide, without a pattern that the eye finds."""
    shift = sum(name.encode())
    x = day.toordinal() / period
    return math.sin(x * 6.283 + shift) * 0.6 + math.sin(x * 2.71 + shift * 1.7) * 0.4
