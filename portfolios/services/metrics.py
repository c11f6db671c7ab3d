"""Daily results: one row per GPU configuration, platform and UTC day, typed in or from a file (R-016)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core.errors import DomainError

from .. import caching, estimates
from ..importing import FIGURES, Row
from ..models import GPUConfiguration, PerformanceMetric

Figures = Mapping[str, Decimal | int | None]
Outcome = Literal["new", "changed", "unchanged"]
BATCH = 1_000


@transaction.atomic
def record_metric(
    *, gpu: GPUConfiguration, platform: str, day: date, figures: Figures, source: str = "typed"
) -> tuple[PerformanceMetric, Outcome]:
    """The day's row with these figures. Where it stood already, unknown (None) figures leave what is stored.

    Raises: DomainError where the GPU was removed.
    """
    held = _held(gpu.pk)
    key = {"gpu_configuration": held, "platform": platform, "metric_date": day}
    metric = PerformanceMetric.objects.filter(**key).first()
    if metric is None:
        metric = PerformanceMetric(**key, **known(figures), detailed_metrics={"source": source})
        metric.save(force_insert=True)
        outcome: Outcome = "new"
    else:
        outcome = merge(metric, figures)
        if outcome == "changed":
            metric.detailed_metrics = {**metric.detailed_metrics, "source": source}
            metric.save()
    _follow(held)
    return metric, outcome


@transaction.atomic
def edit_metric(*, metric: PerformanceMetric, figures: Figures) -> PerformanceMetric:
    """The row with exactly these figures; None makes one unknown.

    Raises: DomainError where the result was deleted or its GPU removed.
    """
    held = _held(metric.gpu_configuration_id)
    present = held.metrics.filter(pk=metric.pk, metric_date=metric.metric_date).first()
    if present is None:
        raise DomainError(_("This result was deleted in the meantime."), code="deleted")
    for name in FIGURES:
        setattr(present, name, figures[name])
    present.detailed_metrics = {**present.detailed_metrics, "source": "typed"}
    present.save(update_fields=[*FIGURES, "detailed_metrics", "updated_at"])
    _follow(held)
    return present


@transaction.atomic
def delete_metric(*, metric: PerformanceMetric) -> None:
    """Remove the day's row for good; one that is gone already stays gone.

    Raises: DomainError where its GPU was removed: its results are kept.
    """
    held = _held(metric.gpu_configuration_id)
    held.metrics.filter(pk=metric.pk, metric_date=metric.metric_date).delete()
    _follow(held)


def _held(pk: UUID) -> GPUConfiguration:
    """The configuration as it stands now, held until the transaction ends."""
    held = GPUConfiguration.objects.select_for_update(no_key=True).get(pk=pk)
    if not held.is_active:
        raise DomainError(_("This GPU was removed: its results stay as they are."), code="removed")
    return held


def _follow(gpu: GPUConfiguration) -> None:
    """What must follow when a result of this GPU changed."""
    estimates.refresh([gpu.portfolio_id])
    caching.bump(gpu.portfolio.user_id)


def compare(rows: Sequence[Row]) -> list[tuple[Row, Outcome, PerformanceMetric]]:
    """Each row with what storing it would do, and the model as it would be stored. One query."""
    if not rows:
        return []
    days = [row.day for row in rows]
    stored = {
        (metric.gpu_configuration_id, metric.platform, metric.metric_date): metric
        for metric in PerformanceMetric.objects.filter(
            gpu_configuration__in={row.gpu for row in rows}, metric_date__range=(min(days), max(days))
        )
    }
    outcomes: list[tuple[Row, Outcome, PerformanceMetric]] = []
    for row in rows:
        metric = stored.get((row.gpu, row.platform, row.day))
        if metric is None:
            metric = PerformanceMetric(
                gpu_configuration_id=row.gpu, platform=row.platform, metric_date=row.day, **known(row.figures)
            )
            outcomes.append((row, "new", metric))
        else:
            outcomes.append((row, merge(metric, row.figures), metric))
    return outcomes


@transaction.atomic
def store_import(*, user: User, rows: Sequence[Row]) -> dict[str, int]:
    """Store all rows of a file or none; how many were new, changed and unchanged."""
    wanted = {row.gpu for row in rows}
    mine = GPUConfiguration.objects.visible_to(user).active().filter(pk__in=wanted)
    held = list(mine.select_for_update(no_key=True, of=("self",)).order_by("pk"))
    if len(held) != len(wanted):
        raise DomainError(
            _("A GPU of this file was removed in the meantime: look at the preview again."), code="removed"
        )
    counts: dict[str, int] = {"new": 0, "changed": 0, "unchanged": 0}
    changes = []
    for _row, outcome, metric in compare(rows):
        counts[outcome] += 1
        if outcome != "unchanged":
            metric.detailed_metrics = {**metric.detailed_metrics, "source": "csv"}
            changes.append(metric)
    PerformanceMetric.objects.bulk_create(
        changes,
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["gpu_configuration", "platform", "metric_date"],
        update_fields=[*FIGURES, "detailed_metrics", "updated_at"],
    )
    estimates.refresh({gpu.portfolio_id for gpu in held})
    caching.bump(user.pk)
    return counts


def known(figures: Figures) -> dict[str, Decimal | int]:
    """The figures that somebody gave."""
    return {name: value for name, value in figures.items() if value is not None}


def merge(metric: PerformanceMetric, figures: Figures) -> Outcome:
    """Put the given figures into the row; whether that changed it."""
    outcome: Outcome = "unchanged"
    for name, value in known(figures).items():
        if getattr(metric, name) != value:
            setattr(metric, name, value)
            outcome = "changed"
    return outcome
