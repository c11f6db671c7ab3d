"""What the revenue page shows: recurring revenue out of changes of plans, cash out of invoices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from decimal import Decimal

from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncMonth
from django.utils.translation import gettext as _

from gpuadvisor.core import charts, clock
from gpuadvisor.core.partitions import add_months

from .models import Invoice, PlanChange
from .plans import PLANS
from .revenue import Change, Month, months

CURRENCY = "usd"
ZERO = Decimal(0)


@dataclass(frozen=True)
class Cash:
    """What came in by invoices that were paid in one month, and what of it was refunded since. USD, gross."""

    paid: Decimal = ZERO
    refunded: Decimal = ZERO
    invoices: int = 0

    @property
    def net(self) -> Decimal:
        return self.paid - self.refunded


@dataclass(frozen=True)
class Row:
    """One month; `is_partial` while it lasts."""

    month: Month
    cash: Cash
    is_partial: bool


@dataclass(frozen=True)
class Revenue:
    """The months asked for, the newest first. `others` counts paid invoices in other currencies, which are left out."""

    rows: list[Row]
    tier: str
    others: int

    @property
    def is_empty(self) -> bool:
        return not any(row.month.start or row.month.end or row.month.trials or row.cash.invoices for row in self.rows)

    @property
    def now(self) -> Row:
        return self.rows[0]

    @property
    def before(self) -> Row:
        return self.rows[1]

    def series(self) -> charts.Series:
        """Recurring revenue at each month's end, of all plans and of each that brought something in; or of one."""
        months_shown = [row.month for row in reversed(self.rows)]
        times = [_end(row) for row in reversed(self.rows)]
        title = _("All plans") if not self.tier else str(PLANS[self.tier].title)
        lines = [charts.Line(title, [month.end for month in months_shown], "mine")]
        for tier in () if self.tier else PLANS:
            values = [month.by_tier.get(tier, ZERO) for month in months_shown]
            if any(values):
                lines.append(charts.Line(str(PLANS[tier].title), values))
        return charts.Series(times, lines)

    def flows(self) -> charts.Series:
        """What came and what went, by month."""
        months_shown = [row.month for row in reversed(self.rows)]
        came = [month.new + month.expansion + month.moved_in for month in months_shown]
        went = [month.contraction + month.churned + month.moved_out for month in months_shown]
        times = [_end(row) for row in reversed(self.rows)]
        return charts.Series(times, [charts.Line(_("Came"), came, "mine"), charts.Line(_("Went"), went)])


def _end(row: Row) -> date:
    last = add_months(row.month.month, 1) - timedelta(days=1)
    return min(last, clock.today()) if row.is_partial else last


def revenue(count: int, tier: str = "") -> Revenue:
    """The last `count` months, the one that lasts among them, of all plans or of one; a constant number of queries."""
    current = clock.today().replace(day=1)
    first = add_months(current, 1 - count)
    cash, others = _cash(first, tier)
    found = months(_changes(), first, current, tier)
    rows = [Row(month, cash.get(month.month, Cash()), month.month == current) for month in reversed(found)]
    return Revenue(rows, tier, others)


def _changes() -> Iterator[Change]:
    """Every change of a plan so far; an account that is gone is known by its key."""
    fields = ("account", "user_id", "pk", "at", "after", "price_after", "source")
    for account, user, pk, at, after, price, source in PlanChange.objects.order_by("at", "pk").values_list(*fields):
        yield Change(account or user or pk, at, after, price, source == PlanChange.Source.STRIPE)


def _cash(first: date, tier: str) -> tuple[dict[date, Cash], int]:
    """Cash by the month in which it was paid, and the number of paid invoices in other currencies."""
    paid = Invoice.objects.filter(paid_at__gte=f"{first:%Y-%m-%d}T00:00:00Z", paid__gt=0)
    if tier:
        paid = paid.filter(tier=tier)
    ours = Q(currency=CURRENCY)
    sums = (
        paid.annotate(month=TruncMonth("paid_at", tzinfo=UTC))
        .values("month")
        .annotate(
            came=Sum("paid", filter=ours, default=ZERO),
            back=Sum("refunded", filter=ours, default=ZERO),
            number=Count("pk", filter=ours),
            others=Count("pk", filter=~ours),
        )
        .order_by("month")
    )
    found = list(sums)
    by_month = {row["month"].date(): Cash(row["came"], row["back"], row["number"]) for row in found}
    return by_month, sum(row["others"] for row in found)
