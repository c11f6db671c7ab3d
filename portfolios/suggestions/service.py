"""Suggestions in the table: made by a job, decided by the host. One live one of each kind for each GPU and platform."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.cache import caches
from django.db import connection, transaction
from django.urls import NoReverseMatch, reverse
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock, formats
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.money import amount, rate
from gpuadvisor.core.nudge import nudge as core_nudge
from market.comps import sources_word
from market.selectors import current_origin

from .. import journal
from ..caching import dashboard_version
from ..models import OptimizationSuggestion
from ..services.locks import writable
from .facts import GPUFact
from .findings import PRICE_TYPES, Advice, Answer, Row, Silence
from .gather import facts_of, in_use
from .rules import RULES, together

log = logging.getLogger(__name__)
State = OptimizationSuggestion.State
LIFE = timedelta(days=7)
QUIET = timedelta(days=10)  # after a change of the price, an accept, a mark done
REJECTED = timedelta(days=30)
SNOOZES = (1, 3, 7)  # days
TOLERANCE = Decimal("0.1")  # an impact within a tenth, or a dollar, of what was told has not changed
SLACK = Decimal(1)
CHUNK = 500  # GPU configurations looked at together
SLICE = 100  # hosts asked about in one message
AT_ONCE = 20  # hosts of it that suggestions are made for
MADE_SECONDS = 26 * 60 * 60
NUDGE_SECONDS = 60
BIGGEST = Decimal("99999999.99")

Key = tuple[UUID, UUID | None, str, str]


def family(kind: str) -> str:
    """Types that speak of the same thing: a rate and idleness are both about the price."""
    return "price" if kind in PRICE_TYPES else kind


def key_of(row: OptimizationSuggestion) -> Key:
    """What a suggestion is about: there is one live one of each."""
    return (row.portfolio_id, row.gpu_configuration_id, row.platform, family(row.suggestion_type))


@dataclass(frozen=True)
class Past:
    """What was decided lately and what prices changed: why a rule keeps quiet."""

    now: datetime
    decided: Mapping[Key, OptimizationSuggestion]
    changes: Mapping[tuple[UUID, str], datetime]

    def quiet(self, fact: GPUFact, name: str) -> str:
        """Why nothing is suggested, in words; empty where something may be."""
        platform = "" if name == "power_limit" else fact.platform
        if name == "price" and (at := self.changes.get((fact.pk, fact.platform))) is not None:
            words = {"day": formats.day(at), "until": formats.day(at + QUIET)}
            return _("Its price changed on %(day)s: quiet until %(until)s, so that the change can show.") % words
        for gpu in (fact.pk, None):
            row = self.decided.get((fact.portfolio, gpu, platform, name))
            if row is not None and (said := _quiet_words(row, self.now)):
                return said
        return ""


def quiet_until(row: OptimizationSuggestion) -> datetime | None:
    """Until when nothing like this is suggested again; None where it keeps nobody quiet."""
    if row.state in (State.ACCEPTED, State.DONE):
        at = row.implemented_at or row.decided_at
        return at + QUIET if at else None
    if row.state == State.REJECTED:
        return row.decided_at + REJECTED if row.decided_at else None
    return row.snoozed_until if row.state == State.SNOOZED else None


def _quiet_words(row: OptimizationSuggestion, now: datetime) -> str:
    until = quiet_until(row)
    if until is None or until <= now:
        return ""
    words: dict[str, str | Promise] = {
        State.ACCEPTED: gettext_lazy("You accepted a suggestion: quiet until %(until)s."),
        State.DONE: gettext_lazy("You carried out a suggestion: quiet until %(until)s."),
        State.REJECTED: gettext_lazy("You rejected a suggestion: quiet until %(until)s."),
        State.SNOOZED: gettext_lazy("You put a suggestion off until %(until)s."),
    }
    return str(words[row.state]) % {"until": formats.day(until)}


def past_of(user: User, facts: Iterable[GPUFact], now: datetime) -> Past:
    """Two queries, however many GPU configurations."""
    rows = (
        OptimizationSuggestion.objects.filter(portfolio__user=user)
        .filter(state__in=(State.ACCEPTED, State.DONE, State.REJECTED, State.SNOOZED), decided_at__gt=now - REJECTED)
        .order_by("decided_at", "pk")
    )
    decided: dict[Key, OptimizationSuggestion] = {}
    for row in rows:
        before = decided.get(key_of(row))
        until = quiet_until(row)
        if until is not None and (before is None or until >= (quiet_until(before) or until)):
            decided[key_of(row)] = row
    return Past(now, decided, journal.last_changes([fact.pk for fact in facts], now - QUIET))


def answers_of(fact: GPUFact, past: Past) -> dict[str, Answer]:
    """What each rule says of one GPU configuration, silence for what was decided or changed lately included."""
    return {
        name: Silence(quiet, is_fine=True) if (quiet := past.quiet(fact, name)) else rule(fact)
        for name, rule in RULES.items()
    }


# -- Making ------------------------------------------------------------------------------------------------------------
def make(user: User) -> bool:
    """Bring a host's suggestions in line with the figures, in the host's language; False where another is at it."""
    with translation.override(user.language), transaction.atomic():
        if not _claimed(user.pk):
            return False
        word, now = inputs_of(user), clock.now()  # before the rows are read: what changes meanwhile is seen later
        items = list(in_use(user).order_by("pk"))
        advices: list[Advice] = []
        for at in range(0, len(items), CHUNK):
            facts = facts_of(user, items[at : at + CHUNK])
            past = past_of(user, facts, now)
            for fact in facts:
                advices += [one for one in answers_of(fact, past).values() if isinstance(one, Advice)]
        _store(user, together(advices), now)
    caches["pages"].set(_made_key(user.pk), [word, now.isoformat()], MADE_SECONDS)
    return True


def _claimed(user_id: UUID) -> bool:
    """Whether this transaction is the only maker of this host's suggestions; it waits for nobody."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"suggestions:{user_id}"])
        row: tuple[Any, ...] = cursor.fetchone()
    return bool(row[0])


def _store(user: User, advices: Sequence[Advice], now: datetime) -> None:
    mine = OptimizationSuggestion.objects.select_for_update(of=("self",)).filter(portfolio__user=user)
    live = mine.filter(state__in=(State.OPEN, State.SNOOZED, State.ACCEPTED)).order_by("pk")
    standing = {key_of(row): row for row in live if row.state == State.OPEN}
    over = [
        row
        for row in live
        if (row.state == State.SNOOZED and (row.snoozed_until is None or row.snoozed_until <= now))
        or (row.state == State.ACCEPTED and row.expires_at is not None and row.expires_at <= now)
    ]
    held = {key_of(row) for row in live if row.state != State.OPEN and row not in over}
    fresh = []
    for advice in advices:
        row = _row(advice, now)
        if key_of(row) in held:  # decided while this was computed
            continue
        old = standing.pop(key_of(row), None)
        if old is not None:
            if _says_the_same(old, row) and (old.expires_at is None or old.expires_at > now):
                continue
            over.append(old)
        fresh.append(row)
    over += standing.values()
    for row in over:
        row.state, row.decided_at = State.EXPIRED, now
    OptimizationSuggestion.objects.bulk_update(over, ["state", "decided_at"], batch_size=500)
    OptimizationSuggestion.objects.bulk_create(fresh, batch_size=500)


def _says_the_same(old: OptimizationSuggestion, new: OptimizationSuggestion) -> bool:
    if (old.suggestion_type, old.confidence_level, old.from_rate, old.to_rate) != (
        new.suggestion_type,
        new.confidence_level,
        new.from_rate,
        new.to_rate,
    ):
        return False
    if old.evidence.get("target") != new.evidence.get("target"):
        return False
    a, b = old.estimated_impact, new.estimated_impact
    return a is not None and b is not None and abs(a - b) <= max(abs(a) * TOLERANCE, SLACK)


def _row(advice: Advice, now: datetime) -> OptimizationSuggestion:
    impact = advice.impact
    value, low, high = (_usd(end) for end in (impact.value, impact.low, impact.high))
    return OptimizationSuggestion(
        portfolio_id=advice.portfolio,
        gpu_configuration_id=advice.gpu,
        suggestion_type=advice.kind,
        title=advice.title[:200],
        description=advice.description,
        implementation_steps=[{"text": step.text, "copy": step.copy} for step in advice.steps],
        estimated_impact=value,
        impact_low=low,
        impact_high=high,
        platform=advice.platform,
        from_rate=None if advice.from_rate is None else rate(advice.from_rate),
        to_rate=None if advice.to_rate is None else rate(advice.to_rate),
        evidence={
            "unit": advice.unit,
            "waterfall": [
                {"label": bar.label, "value": _plain(bar.value), "is_step": bar.is_step} for bar in advice.waterfall
            ],
            "rows": [_evidence(one) for one in advice.rows],
            "method": advice.method,
            "confidence": advice.confidence_words,
            "cannot": advice.cannot,
            "target": advice.target,
        },
        confidence_level=advice.confidence,
        expires_at=now + LIFE,
        created_at=now,
    )


def _usd(value: Decimal) -> Decimal:
    return amount(min(max(value, -BIGGEST), BIGGEST))


def _plain(value: Decimal) -> str:
    return format(round(value, 6).normalize(), "f")


def _evidence(one: Row) -> dict[str, Any]:
    link = ""
    if one.link:
        try:
            link = reverse(one.link[0], args=[one.link[1]] if one.link[1] else None)
        except NoReverseMatch:
            link = ""
    return {
        "label": one.label,
        "value": _plain(one.value) if isinstance(one.value, Decimal) else one.value,
        "unit": one.unit,
        "as_of": one.as_of.isoformat() if one.as_of else None,
        "link": link,
    }


# -- Deciding ----------------------------------------------------------------------------------------------------------
STALE = {
    State.ACCEPTED: gettext_lazy("You accepted this suggestion already."),
    State.REJECTED: gettext_lazy("You rejected this suggestion already."),
    State.SNOOZED: gettext_lazy("You put this suggestion off already."),
    State.DONE: gettext_lazy("This suggestion is marked as done already."),
    State.EXPIRED: gettext_lazy(
        "This suggestion is over: the figures have changed since. Look at the list for new ones."
    ),
}


def _locked(row: OptimizationSuggestion, target: str, allowed: Sequence[str], now: datetime) -> bool:
    """Lock and read `row` again: whether the decision is still to be made; False where it was made already.

    Raises: DomainError where something else was decided meanwhile, its time is over, or the portfolio is read-only.
    """
    writable(row.portfolio_id)
    fresh = OptimizationSuggestion.objects.select_for_update().get(pk=row.pk)
    for name in ("state", "expires_at", "decided_at", "snoozed_until", "is_implemented", "implemented_at"):
        setattr(row, name, getattr(fresh, name))
    if row.state == target:
        return False
    if row.state == State.OPEN and row.expires_at is not None and row.expires_at <= now:
        raise DomainError(str(STALE[State.EXPIRED]), "expired")
    if row.state not in allowed:
        raise DomainError(str(STALE.get(State(row.state), STALE[State.EXPIRED])), "decided")
    return True


@transaction.atomic
def accept(row: OptimizationSuggestion) -> bool:
    """The host means to do it: it stays on the list of accepted ones for ten days. False where it was so already."""
    now = clock.now()
    if not _locked(row, State.ACCEPTED, (State.OPEN, State.SNOOZED), now):
        return False
    row.state, row.decided_at, row.expires_at, row.snoozed_until = State.ACCEPTED, now, now + QUIET, None
    row.save(update_fields=["state", "decided_at", "expires_at", "snoozed_until"])
    return True


@transaction.atomic
def reject(row: OptimizationSuggestion, *, reason: str) -> bool:
    """The host does not want it: nothing like it for 30 days. False where it was so already."""
    now = clock.now()
    if not _locked(row, State.REJECTED, (State.OPEN, State.SNOOZED, State.ACCEPTED), now):
        return False
    row.state, row.decided_at, row.reject_reason, row.snoozed_until = State.REJECTED, now, reason[:300], None
    row.save(update_fields=["state", "decided_at", "reject_reason", "snoozed_until"])
    return True


@transaction.atomic
def snooze(row: OptimizationSuggestion, *, days: int) -> bool:
    """Not now: it is made anew from the figures of then. False where it sleeps already."""
    if days not in SNOOZES:
        raise DomainError(_("Choose 1, 3 or 7 days."), "days")
    now = clock.now()
    if not _locked(row, State.SNOOZED, (State.OPEN,), now):
        return False
    row.state, row.decided_at, row.snoozed_until = State.SNOOZED, now, now + timedelta(days=days)
    row.expires_at = row.snoozed_until
    row.save(update_fields=["state", "decided_at", "snoozed_until", "expires_at"])
    return True


@transaction.atomic
def mark_done(row: OptimizationSuggestion, *, to_rate: Decimal | None = None) -> bool:
    """The host did it; a change of a rate goes into the journal. False where it was marked already.

    Units: `to_rate` USD per GPU-hour, what was really set, where it is not what was suggested.
    Raises: DomainError where it was rejected or is over.
    """
    now = clock.now()
    if not _locked(row, State.DONE, (State.OPEN, State.SNOOZED, State.ACCEPTED), now):
        return False
    row.state, row.is_implemented, row.implemented_at, row.snoozed_until = State.DONE, True, now, None
    row.decided_at = row.decided_at or now
    row.save(update_fields=["state", "is_implemented", "implemented_at", "decided_at", "snoozed_until"])
    if row.to_rate is not None and row.gpu_configuration is not None:
        journal.record_change(
            gpu=row.gpu_configuration,
            platform=row.platform,
            changed_at=now,
            from_rate=row.from_rate,
            to_rate=row.to_rate if to_rate is None else to_rate,
            suggestion=row,
        )
    return True


# -- The job -----------------------------------------------------------------------------------------------------------
def inputs_of(user: User) -> str:
    """A word that changes with the day, the fleet and its figures, and whose figures of the market may be used."""
    origin = current_origin()
    parts = (clock.today(), dashboard_version(user.pk), origin, sources_word(origin))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _made_key(user_id: UUID) -> str:
    return f"suggestions-made:{user_id}"


def made_at(user: User) -> datetime | None:
    """When a host's figures were last looked at; None where the cache does not know."""
    kept = caches["pages"].get(_made_key(user.pk))
    return datetime.fromisoformat(kept[1]) if kept else None


def is_due(user: User) -> bool:
    """Whether figures changed since, or a day is over; a lost cache makes it so, which does no harm."""
    kept = caches["pages"].get(_made_key(user.pk))
    return kept is None or kept[0] != inputs_of(user)


def make_slice(after: UUID | None) -> tuple[int, UUID | None]:
    """Make suggestions for the next hosts; for how many, and after whom the next slice begins, None at the end."""
    hosts = User.objects.filter(is_active=True, portfolios__is_active=True, portfolios__gpus__is_active=True)
    users = list(hosts.filter(pk__gt=after or UUID(int=0)).order_by("pk").distinct()[:SLICE])
    done, last = 0, after
    for user in users:
        if done >= AT_ONCE:
            return done, last
        try:
            if is_due(user):
                done += make(user)
        except Exception:  # one host's rows must not hold up the others
            log.exception("suggestions of one host failed")
        last = user.pk
    return done, users[-1].pk if len(users) == SLICE else None


def close_expired(now: datetime) -> int:
    """Close what ran out: open ones after seven days, accepted ones after ten, of whomever."""
    rows = OptimizationSuggestion.objects.filter(state__in=(State.OPEN, State.ACCEPTED), expires_at__lte=now)
    return rows.update(state=State.EXPIRED, decided_at=now)


def nudge(user: User) -> None:
    """Ask a worker for new suggestions, once a minute at most; without a broker the hourly job brings them."""
    if not caches["pages"].add(f"suggestions-nudge:{user.pk}", 1, NUDGE_SECONDS):
        return
    core_nudge("portfolios.tasks.suggest_host", str(user.pk))
