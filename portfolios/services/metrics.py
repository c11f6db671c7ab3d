"""Daily results: one row per GPU configuration, platform and UTC day (R-016); files of them: portfolios.imports."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from gpuadvisor.core.errors import DomainError

from .. import caching, estimates, settling, statements
from ..imports.layout import TYPED as FIGURES
from ..ingest.days import Key, sampled_days
from ..models import GPUConfiguration, PerformanceMetric
from ..settling import Sampled, Statement
from .locks import refuse_read_only

Figures = Mapping[str, Any]
Outcome = Literal["new", "changed", "unchanged"]


@transaction.atomic
def record_metric(
    *, gpu: GPUConfiguration, platform: str, day: date, figures: Figures, source: str = "typed"
) -> tuple[PerformanceMetric, Outcome]:
    """The day's row with these figures stated. Where it stood already, unknown (None) figures leave what was stated.

    Raises: DomainError where the GPU was removed, or its portfolio is read-only.
    """
    held = _held(gpu.pk)
    key = (held.pk, platform, day)
    stored = held.metrics.filter(platform=platform, metric_date=day).first()
    metric, outcome = state(
        stored, figures, source, key=key, quantity=held.quantity, samples=sampled_days([key]).get(key)
    )
    if outcome != "unchanged":
        metric.save(force_insert=outcome == "new")
    _follow(held)
    return metric, outcome


@transaction.atomic
def edit_metric(*, metric: PerformanceMetric, figures: Figures) -> PerformanceMetric:
    """The row with exactly these figures stated; None makes one unknown, unless samples tell it.

    Raises: DomainError where the result was deleted, its GPU removed or its portfolio is read-only.
    """
    held = _held(metric.gpu_configuration_id)
    present = held.metrics.filter(pk=metric.pk, metric_date=metric.metric_date).first()
    if present is None:
        raise DomainError(_("This result was deleted in the meantime."), code="deleted")
    stored = statements.columns_of(present)
    known_before = statements.statement_of(stored) or Statement("typed")
    left = {name: value for name, value in known_before.figures.items() if name not in FIGURES}
    if known_before.figures.get("daily_revenue") != figures["daily_revenue"]:
        left = {name: value for name, value in left.items() if name == "energy_kwh"}
    statement = Statement("typed", left | known(figures), known_before.traits, known_before.more)
    key = (held.pk, present.platform, present.metric_date)
    _put(present, stored, statement, sampled_days([key]).get(key), held.quantity)
    present.save()
    _follow(held)
    return present


@transaction.atomic
def delete_metric(*, metric: PerformanceMetric) -> None:
    """Remove what was stated for the day for good; a row that is gone already stays gone, what samples tell stays.

    Raises: DomainError where its GPU was removed or its portfolio is read-only: its results are kept.
    """
    held = _held(metric.gpu_configuration_id)
    present = held.metrics.filter(pk=metric.pk, metric_date=metric.metric_date).first()
    if present is not None:
        key = (held.pk, present.platform, present.metric_date)
        samples = sampled_days([key]).get(key)
        if samples is None:
            held.metrics.filter(pk=present.pk, metric_date=present.metric_date).delete()
        else:
            _put(present, statements.columns_of(present), None, samples, held.quantity)
            present.save()
    _follow(held)


def state(
    metric: PerformanceMetric | None,
    figures: Figures,
    source: str,
    *,
    key: Key,
    quantity: int,
    samples: Sampled | None = None,
) -> tuple[PerformanceMetric, Outcome]:
    """The row of `key` (configuration, platform, day) once these figures are stated for it, and what that changes.

    Nothing is stored. `metric` is the stored row or None, `quantity` the configuration's, `samples` of the day as
    `sampled_days` has them. Figures may be any of `settling.FIGURES` and `settling.TRAITS`, and of
    `statements.KEPT`; None leaves what was stated before.
    """
    row = metric if metric is not None else statements.new_row(key)
    stored = statements.columns_of(row) if metric is not None else None
    more = {name: figures[name] for name in statements.KEPT if figures.get(name) is not None}
    before = statements.statement_of(stored)
    after = (before or Statement(source)).updated(figures, source, more=more)
    told = (before.figures, before.traits, before.more) if before else ({}, {}, {})
    if metric is not None and told == (after.figures, after.traits, after.more):
        return row, "unchanged"
    _put(row, stored, after, samples, quantity)
    return row, "new" if metric is None else "changed"


def _put(
    metric: PerformanceMetric,
    stored: statements.Stored | None,
    statement: Statement | None,
    samples: Sampled | None,
    quantity: int,
) -> None:
    """Put into the row what its statement and its samples come to."""
    columns = statements.settled(stored, statement, samples, quantity)
    if columns is None:  # stated, but with no figure: a row of unknowns
        source = statement.source if statement else "typed"
        columns = settling.nothing() | {"detailed_metrics": {"source": source}}
    for name, value in columns.items():
        setattr(metric, name, value)


def _held(pk: UUID) -> GPUConfiguration:
    """The configuration as it stands now, held until the transaction ends.

    Raises: DomainError where it was removed, or its portfolio is read-only.
    """
    rows = GPUConfiguration.objects.select_for_update(of=("self",), no_key=True).select_related("portfolio")
    held = rows.get(pk=pk)
    if not held.is_active:
        raise DomainError(_("This GPU was removed: its results stay as they are."), code="removed")
    refuse_read_only(held.portfolio)
    return held


def _follow(gpu: GPUConfiguration) -> None:
    """What must follow when a result of this GPU changed."""
    estimates.refresh([gpu.portfolio_id])
    caching.bump(gpu.portfolio.user_id)


def known(figures: Figures) -> dict[str, Decimal | int]:
    """The figures that somebody gave."""
    return {name: value for name, value in figures.items() if value is not None}
