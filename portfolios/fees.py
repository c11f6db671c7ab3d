"""What platforms keep of a host's revenue, day by day: the host's own word, else the catalog's schedule.

Source: docs/economics.md, "Fee schedule".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from django.db.models import Value

from gpuadvisor.accounts.models import User
from market.models import Platform, PlatformFee

from .models import FeeOverride, OrderType

Source = Literal["yours", "catalog"]


@dataclass(frozen=True)
class Told:
    """One line of a schedule: the fee from a day on. Empty order type or currency: any; `percentage` None: unknown."""

    platform: str
    order_type: str
    currency: str
    first: date
    percentage: Decimal | None
    source: Source = "catalog"


@dataclass(frozen=True)
class FeeSpan:
    """What a platform keeps, 0-100 of what the renter pays, from `first` to `last`; None where nobody knows.

    `currency` is empty for all that no span of the list names. Spans of one platform, order type and currency share no
    day.
    """

    platform: str
    order_type: str
    currency: str
    first: date
    last: date
    percentage: Decimal | None
    source: Source


def fee_spans(user: User, first: date, last: date, *, platforms: Collection[Platform] | None = None) -> list[FeeSpan]:
    """The fees of every platform that has any, for each order type and currency, from `first` to `last`.

    A host's own word is stronger than the catalog's schedule, and that than the platform's general fee. One query,
    another where the caller has not read the `platforms`.
    """
    if platforms is None:
        platforms = Platform.objects.exclude(fee_percentage=None).only("slug", "fee_percentage")
    line = ("order_type", "currency", "valid_from", "fee_percentage")
    yours = FeeOverride.objects.filter(user=user).values_list("platform", *line, Value("yours"))
    schedule = PlatformFee.objects.values_list("platform__slug", *line, Value("catalog"))
    own: list[Told] = []
    catalog: list[Told] = []
    for platform, order_type, currency, first_day, percentage, source in yours.union(schedule, all=True):
        layer = own if source == "yours" else catalog
        layer.append(Told(platform, order_type, currency, first_day, percentage, source))
    general = [
        Told(platform.slug, "", "", date.min, platform.fee_percentage)
        for platform in platforms
        if platform.fee_percentage is not None
    ]
    return resolve([own, catalog, general], first, last)


def resolve(layers: Sequence[Sequence[Told]], first: date, last: date) -> list[FeeSpan]:
    """One span per stretch of days with the same fee; in each layer the newest day counts, then the more special line.

    Layers come strongest first.
    """
    lines = [line for layer in layers for line in layer]
    currencies = sorted({line.currency for line in lines} | {""})
    spans: list[FeeSpan] = []
    for platform in sorted({line.platform for line in lines}):
        theirs = [[line for line in layer if line.platform == platform] for layer in layers]
        starts = {line.first for layer in theirs for line in layer if first < line.first <= last}
        days = sorted({first, *starts})
        for order_type in OrderType.values:
            for currency in currencies:
                made: list[FeeSpan] = []
                for day, end in zip(days, [*(start - timedelta(days=1) for start in days[1:]), last], strict=True):
                    line = _strongest(theirs, day, order_type, currency)
                    if line is None:
                        continue
                    before = made[-1] if made else None
                    if before and (before.percentage, before.source) == (line.percentage, line.source):
                        made[-1] = replace(before, last=end)
                    else:
                        made.append(FeeSpan(platform, order_type, currency, day, end, line.percentage, line.source))
                spans += made
    return spans


def _strongest(layers: Iterable[Iterable[Told]], day: date, order_type: str, currency: str) -> Told | None:
    for layer in layers:
        fitting = [
            line
            for line in layer
            if line.first <= day and line.order_type in ("", order_type) and line.currency in ("", currency)
        ]
        if fitting:
            return max(fitting, key=lambda line: (line.first, bool(line.order_type), bool(line.currency)))
    return None


def fee_on(
    spans: Iterable[FeeSpan], platform: str, day: date, order_type: str = "on_demand", currency: str = "USD"
) -> FeeSpan | None:
    """The span that holds on `day`; None where nobody told a fee."""
    fitting = [
        span
        for span in spans
        if span.platform == platform
        and span.order_type == order_type
        and span.currency in ("", currency)
        and span.first <= day <= span.last
    ]
    return max(fitting, key=lambda span: span.currency, default=None)
