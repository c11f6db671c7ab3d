"""Changes that the advisor may offer: the host sees every argument in words, and confirms."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock, formats
from gpuadvisor.core.advising import Arguments, Card, Offered
from gpuadvisor.core.errors import DomainError
from market.models import Platform

from .. import journal
from ..forms.suggestions import EARLIEST
from ..models import GPUConfiguration, OptimizationSuggestion
from ..services import refuse_read_only
from ..suggestions import service
from ..suggestions.selectors import interval_of, line_of, paused, suggestions_of
from .common import GPURate, OneGPU, clean, name_of, need_gpu, one_of, title

State = OptimizationSuggestion.State


class AcceptAsked(Arguments):
    suggestion: Annotated[str, Field(description="Id, as `suggestions` told it", min_length=1)]


def _suggestion(user: User, words: str) -> OptimizationSuggestion:
    """Theirs, still to be decided, of what is in use. Raises: DomainError where it is none of these."""
    rows = suggestions_of(user).select_related("portfolio", "gpu_configuration__gpu_model")
    row = one_of(rows, words, _("suggestion"))
    is_over = row.state == State.OPEN and row.expires_at is not None and row.expires_at <= clock.now()
    state = State.EXPIRED if is_over else State(row.state)
    if state not in (State.OPEN, State.SNOOZED):
        raise DomainError(str(service.STALE[state]), "decided")
    if not row.portfolio.is_active or (row.gpu_configuration is not None and not row.gpu_configuration.is_active):
        raise DomainError(_("What this suggestion is about is not in use any more."), "inactive")
    refuse_read_only(row.portfolio)
    if paused([row]):
        raise DomainError(_("Its market figures are older than 12 hours: no advice rests on them."), "old")
    return row


def prepare_accept(user: User, asked: AcceptAsked) -> Card:
    row = _suggestion(user, asked.suggestion)
    line = line_of(row)
    lines = [(_("Suggestion"), title(row.title)), (_("Portfolio"), title(row.portfolio.name))]
    if row.gpu_configuration is not None:
        lines.append((_("GPU"), title(name_of(row.gpu_configuration))))
    if row.platform:
        lines.append((_("Platform"), _platform_name(row.platform)))
    if row.to_rate is not None:
        lines.append((_("Rate"), _from_to(row.from_rate, row.to_rate)))
    if line.impact:
        lines.append((_("Expected"), line.impact))
    if interval := interval_of(row):
        lines.append((_("Between"), interval))
    lines.append((_("What happens"), _("It is marked as accepted. Nothing changes on the platform: you do that.")))
    return Card(_("Accept this suggestion?"), tuple(lines))


def perform_accept(user: User, asked: AcceptAsked) -> str:
    row = _suggestion(user, asked.suggestion)
    if not service.accept(row):
        return _("You accepted “%s” already.") % title(row.title)
    return _("Accepted: “%s”. Carry it out and mark it done.") % title(row.title)


class NoteAsked(Arguments):
    gpu: OneGPU
    platform: Annotated[str, Field(description="Slug or name", min_length=1)]
    to_rate: Annotated[GPURate, Field(description="USD/GPU-h as the renter pays")]
    changed_at: Annotated[datetime | None, Field(description="ISO 8601, UTC; none: now")] = None


def _note(user: User, asked: NoteAsked) -> tuple[GPUConfiguration, Platform, datetime | None]:
    """What the change is of. Raises: DomainError where it cannot be written down."""
    gpu = need_gpu(user, asked.gpu)
    if not gpu.is_active:
        raise DomainError(_("“%s” was removed.") % title(name_of(gpu)), "removed")
    refuse_read_only(gpu.portfolio)
    words = clean(asked.platform).casefold()
    hostable = list(Platform.objects.hostable().order_by("name"))
    found = [one for one in hostable if words in (one.slug, one.name.casefold())]
    if not found:
        names = ", ".join(one.name for one in hostable)
        raise DomainError(_("Say on which platform: %(names)s.") % {"names": names}, "platform")
    moment = asked.changed_at
    if moment is not None:
        try:
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except OverflowError:
            raise DomainError(_("The journal begins in 2020."), "early") from None
        if moment > clock.now():
            raise DomainError(_("A change that is still to come cannot be written down yet."), "future")
        if moment < EARLIEST:
            raise DomainError(_("The journal begins in 2020."), "early")
    if asked.to_rate != round(asked.to_rate, 4):
        raise DomainError(_("A rate has at most four decimals."), "rate")
    if journal.last_rates(gpu).get(found[0].slug) == asked.to_rate:
        raise DomainError(_("Both rates are the same: nothing changed."), "same")
    return gpu, found[0], moment


def prepare_note(user: User, asked: NoteAsked) -> Card:
    gpu, platform, moment = _note(user, asked)
    before = journal.last_rates(gpu).get(platform.slug)
    when = formats.moment(timezone.localtime(moment)) if moment else _("now, when you confirm")
    lines = (
        (_("GPU"), title(f"{gpu} ({gpu.portfolio.name})")),
        (_("Platform"), platform.name),
        (_("Rate"), _from_to(before, asked.to_rate)),
        (_("Changed"), when),
        (_("What happens"), _("It goes into the journal. Nothing changes on the platform: you do that.")),
    )
    return Card(_("Note this price change?"), lines)


def perform_note(user: User, asked: NoteAsked) -> str:
    gpu, platform, moment = _note(user, asked)
    row = journal.record_change(
        gpu=gpu,
        platform=platform.slug,
        changed_at=moment or clock.now(),
        from_rate=journal.last_rates(gpu).get(platform.slug),
        to_rate=asked.to_rate,
    )
    words = {
        "gpu": title(name_of(gpu)),
        "platform": platform.name,
        "rates": _from_to(row.from_rate, row.to_rate),
    }
    return _("In the journal: %(gpu)s on %(platform)s, %(rates)s.") % words


def _from_to(before: Any, after: Any) -> str:
    """Old and new rate; what is unknown is said to be."""
    old = _("unknown") if before is None else formats.rate(before)
    return f"{old} → {formats.rate(after)}"


def _platform_name(slug: str) -> str:
    return Platform.objects.filter(slug=slug).values_list("name", flat=True).first() or slug


OFFERS: tuple[Offered[Any], ...] = (
    Offered(
        "accept_suggestion",
        gettext_lazy("Accept a suggestion"),
        "accept an open suggestion. It is only marked: the host carries it out on the platform.",
        prepare_accept,
        perform_accept,
        AcceptAsked,
    ),
    Offered(
        "note_price_change",
        gettext_lazy("Note a price change"),
        "write a change of rate that the host made themselves into the journal.",
        prepare_note,
        perform_note,
        NoteAsked,
    ),
)
