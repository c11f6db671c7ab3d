"""The journal of price changes: typed by the host, or seen in the daily figures. Advice is judged by it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock, formats
from gpuadvisor.core.charts import Mark
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.ids import uuid7
from market.models import Platform

from .caching import bump
from .models import GPUConfiguration, OptimizationSuggestion, PriceChange
from .services.locks import writable

LEAST_PART = Decimal("0.005")  # a smaller difference is rounding
LEAST_USD = Decimal("0.0001")
SLICE = 500  # GPU configurations in one statement of the job
LOOK_BACK = 45  # days before the first that is looked at, where the last known rate may lie
OVERLAP = timedelta(hours=2)

# Days whose rate differs from that of the known day before, from `first` on; a day with a typed entry is left alone.
SEEN_SQL = """
with known as (
  select gpu_configuration_id as gpu, platform, metric_date as day, hourly_rate as rate,
    lag(hourly_rate) over (partition by gpu_configuration_id, platform order by metric_date) as before
  from performance_metrics
  where gpu_configuration_id = any(%(gpus)s) and metric_date between %(rough)s and %(last)s
    and hourly_rate is not null and hourly_rate > 0
)
select gpu, platform, day, before, rate from known
where day >= %(first)s and before is not null
  and abs(rate - before) >= greatest(before * %(part)s, %(usd)s)
  and not exists (
    select 1 from price_changes t
    where t.gpu_configuration_id = gpu and t.platform = known.platform and t.origin = 'typed'
      and (t.changed_at at time zone 'utc')::date = day
  )
"""
CHANGED_SQL = """
select distinct m.gpu_configuration_id from performance_metrics m
where m.metric_date between %(first)s and %(last)s and m.updated_at >= %(since)s
order by 1
"""


def journal_of(user: User) -> QuerySet[PriceChange]:
    """All price changes that this user may see."""
    return PriceChange.objects.filter(gpu_configuration__portfolio__user=user)


def marks(gpu: GPUConfiguration, first: date, last: date) -> list[Mark]:
    """Price changes as marks on a chart of days, oldest first."""
    rows = gpu.price_changes.filter(changed_at__gte=_start(first), changed_at__lt=_start(last + timedelta(days=1)))
    return [Mark(row.changed_at.astimezone(UTC).date(), _words(row)) for row in rows.order_by("changed_at", "pk")]


def _words(row: PriceChange) -> str:
    to_rate = formats.price(row.to_rate)
    return to_rate if row.from_rate is None else f"{formats.price(row.from_rate)} → {to_rate}"


def _start(day: date) -> datetime:
    return datetime.combine(day, time(0), UTC)


def last_rates(gpu: GPUConfiguration) -> Mapping[str, Decimal]:
    """The last rate that is known on each platform: of the journal or of a daily result, whichever is newer."""
    rows = gpu.metrics.exclude(hourly_rate=None).order_by("platform", "-metric_date").distinct("platform")
    found = {row.platform: (_start(row.metric_date), row.hourly_rate) for row in rows}
    for change in gpu.price_changes.order_by("platform", "-changed_at").distinct("platform"):
        if change.platform not in found or found[change.platform][0] < change.changed_at:
            found[change.platform] = (change.changed_at, change.to_rate)
    return {platform: rate for platform, (_at, rate) in found.items() if rate is not None}


def last_changes(gpus: Collection[UUID], since: datetime) -> Mapping[tuple[UUID, str], datetime]:
    """When the price of each configuration last changed on each platform, from `since` on."""
    rows = PriceChange.objects.filter(gpu_configuration__in=gpus, changed_at__gte=since).order_by("changed_at")
    return {
        (gpu, platform): at for gpu, platform, at in rows.values_list("gpu_configuration_id", "platform", "changed_at")
    }


@transaction.atomic
def record_change(
    *,
    gpu: GPUConfiguration,
    platform: str,
    changed_at: datetime,
    to_rate: Decimal,
    from_rate: Decimal | None = None,
    note: str = "",
    suggestion: OptimizationSuggestion | None = None,
    pk: UUID | None = None,
) -> PriceChange:
    """Write down a change of a rate; what was only seen on that day gives way. The same `pk` again changes nothing.

    Raises: DomainError where the platform is unknown, the moment lies ahead, one of that moment is written already, or
    the portfolio is read-only.
    """
    key = pk or uuid7()
    if there := PriceChange.objects.filter(pk=key, gpu_configuration=gpu).first():
        return there
    writable(gpu.portfolio_id)
    if not Platform.objects.filter(slug=platform).exists():
        raise DomainError(_("This platform is not known."), "platform")
    if changed_at > clock.now() + timedelta(minutes=5):
        raise DomainError(_("A change that is still to come cannot be written down yet."), "future")
    if from_rate is not None and from_rate == to_rate:
        raise DomainError(_("Both rates are the same: nothing changed."), "same")
    day = changed_at.astimezone(UTC).date()
    gpu.price_changes.filter(
        platform=platform,
        origin=PriceChange.Origin.SEEN,
        changed_at__gte=_start(day),
        changed_at__lt=_start(day + timedelta(days=1)),
    ).delete()
    row = PriceChange(
        pk=key,
        gpu_configuration=gpu,
        platform=platform,
        changed_at=changed_at,
        from_rate=from_rate,
        to_rate=to_rate,
        origin=PriceChange.Origin.TYPED,
        note=note,
        suggestion=suggestion,
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        raise DomainError(_("A change of this moment on this platform is in the journal already."), "twice") from error
    bump(gpu.portfolio.user_id)
    return row


@transaction.atomic
def delete_change(*, change: PriceChange) -> None:
    """Forget a typed change.

    Raises: DomainError where it was seen in the figures: those tell it again; where the portfolio is read-only.
    """
    writable(change.gpu_configuration.portfolio_id)
    if change.origin != PriceChange.Origin.TYPED:
        raise DomainError(_("This change was seen in your daily results: correct those instead."), "seen")
    user_id, gpu_id = change.gpu_configuration.portfolio.user_id, change.gpu_configuration_id
    day = change.changed_at.astimezone(UTC).date()
    change.delete()
    see_changes([gpu_id], day, day)
    bump(user_id)


@transaction.atomic
def see_changes(gpus: Collection[UUID], first: date, last: date) -> int:
    """Let the seen entries of these days say what the daily results say; how many came, went or changed."""
    with connection.cursor() as cursor:
        cursor.execute(
            SEEN_SQL,
            {
                "gpus": list(gpus),
                "first": first,
                "rough": first - timedelta(days=LOOK_BACK),
                "last": last,
                "part": LEAST_PART,
                "usd": LEAST_USD,
            },
        )
        wanted = {(gpu, platform, _start(day)): (before, rate) for gpu, platform, day, before, rate in cursor}
    standing = PriceChange.objects.select_for_update().filter(
        gpu_configuration__in=gpus,
        origin=PriceChange.Origin.SEEN,
        changed_at__gte=_start(first),
        changed_at__lt=_start(last + timedelta(days=1)),
    )
    gone, changed = [], []
    for row in standing:
        rates = wanted.pop((row.gpu_configuration_id, row.platform, row.changed_at), None)
        if rates is None:
            gone.append(row.pk)
        elif rates != (row.from_rate, row.to_rate):
            row.from_rate, row.to_rate = rates
            changed.append(row)
    PriceChange.objects.filter(pk__in=gone).delete()
    PriceChange.objects.bulk_update(changed, ["from_rate", "to_rate"], batch_size=500)
    made = [
        PriceChange(
            gpu_configuration_id=gpu,
            platform=platform,
            changed_at=at,
            from_rate=before,
            to_rate=rate,
            origin=PriceChange.Origin.SEEN,
        )
        for (gpu, platform, at), (before, rate) in wanted.items()
    ]
    PriceChange.objects.bulk_create(made, batch_size=500, ignore_conflicts=True)
    return len(gone) + len(changed) + len(made)


def follow(since: datetime | None = None, *, days: int = 90) -> int:
    """See the changes in what was written since the last run: its overlap makes running it again harmless."""
    now = clock.now()
    since = (since or now - timedelta(hours=1)) - OVERLAP
    first, last = now.date() - timedelta(days=days), now.date()
    with connection.cursor() as cursor:
        cursor.execute(CHANGED_SQL, {"first": first, "last": last, "since": since})
        gpus = [row[0] for row in cursor.fetchall()]
    return sum(see_changes(gpus[at : at + SLICE], first, last) for at in range(0, len(gpus), SLICE))
