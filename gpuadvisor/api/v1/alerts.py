"""A host's alerts for their own programs: rules, channels, episodes and the log of what was told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeVar, cast
from uuid import UUID, uuid5

from django.db import transaction
from django.db.models import Model, Prefetch, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import translation
from ninja import Path, Query, Router, Status
from pydantic import BaseModel, Field, ValidationError

from alerts import selectors, services, shrinking, wishes
from alerts.conditions import ConditionError, Conditions
from alerts.models import Alert, AlertDelivery, AlertLog, Channel, DeliveryAttempt, Episode
from billing import limits
from billing.limits import LimitReached
from gpuadvisor.accounts.models import ApiToken, User
from gpuadvisor.core.errors import DomainError

from ..auth import bearer
from ..bodies import idempotency_key, raw_body, read_json
from ..paging import next_url, read_cursor, write_cursor
from ..params import PagedFilters, Text
from ..problems import FieldError, Problem, bad_parameter
from . import alert_schemas as shapes
from .ingest_schemas import body_of

router = Router(tags=["Alerts"])
READ, CHANGE = "alerts.read", "alerts"
NAMESPACE = UUID("0c5b2b1e-6f0e-4a53-8a0e-1f5d9d7c3b42")
MOST_EVENTS = 200
B = TypeVar("B", bound=BaseModel)
M = TypeVar("M", bound=Model)


def _token(request: HttpRequest, *scopes: str) -> ApiToken:
    """The token that asks. Rules and episodes are the whole account's, so one for some portfolios sees none of them."""
    token = bearer(request, *scopes)
    if token.portfolio_ids:
        raise Problem(403, "This token is for some portfolios; alerts belong to the whole account.")
    return token


# Rules


class RuleFilters(PagedFilters):
    is_active: bool | None = Field(None, description="Only those that look, or only those that are paused.")


@router.get("/alerts/rules", response=shapes.RulesOut, summary="Your rules", url_name="alert-rules")
def alert_rules(request: HttpRequest, response: HttpResponse, filters: Query[RuleFilters]) -> shapes.RulesOut:
    """What you want to be told of, the newest first."""
    user = _token(request, READ, CHANGE).user
    rows = Alert.objects.visible_to(user)
    if filters.is_active is not None:
        rows = rows.watching() if filters.is_active else rows.filter(Q(is_active=False) | ~Q(closed_by_plan_at=None))
    found, cursor = _page(rows.prefetch_related("channels"), filters)
    return shapes.RulesOut(
        data=_rules_out(user, found), next=next_url(request, response, cursor), next_cursor=cursor or None
    )


@router.post(
    "/alerts/rules",
    response={201: shapes.RuleOut},
    summary="Add a rule",
    url_name="alert-rule-add",
    openapi_extra=body_of("RuleIn"),
)
def add_alert_rule(request: HttpRequest, response: HttpResponse) -> shapes.RuleOut:
    """A new rule, as far as the plan has room; it looks from now on."""
    token = _token(request, CHANGE)
    key = idempotency_key(request)
    body = _read(request, shapes.RuleIn)
    wanted = _conditions(token.user, body.type, body.conditions)
    channels = _channels(token.user, body.channels)
    pk = uuid5(NAMESPACE, f"{token.pk}:{key}") if key else None
    known = Alert.objects.visible_to(token.user).filter(pk=pk).exists() if pk else False
    try:
        made = services.create_alert(
            user=token.user,
            name=body.name,
            alert_type=body.type,
            conditions=wanted,
            notification_settings={"remind_hours": body.remind_hours, "tell_resolved": body.tell_resolved},
            channels=channels,
            pk=pk,
        )
    except LimitReached as full:
        error = FieldError(field="", code="limit", message=full.user_message)
        raise Problem(422, full.user_message, errors=[error]) from None
    if known:
        if (made.name, made.alert_type) != (body.name, body.type):
            raise Problem(422, "Idempotency-Key: it was used with another body.")
        response.headers["Idempotency-Replayed"] = "true"
    response.headers["Location"] = request.build_absolute_uri(reverse("api-v1:alert-rule", args=[made.pk]))
    return _rule_out(token.user, made.pk)


@router.get("/alerts/rules/{id}", response=shapes.RuleOut, summary="One rule", url_name="alert-rule")
def alert_rule(request: HttpRequest, id: Path[str]) -> shapes.RuleOut:
    """One of your rules."""
    user = _token(request, READ, CHANGE).user
    return _rule_out(user, _find(Alert.objects.visible_to(user), id).pk)


@router.patch(
    "/alerts/rules/{id}",
    response=shapes.RuleOut,
    summary="Change or pause a rule",
    url_name="alert-rule-change",
    openapi_extra=shapes.changes_by("RuleChangeIn"),
)
def change_alert_rule(request: HttpRequest, id: Path[str]) -> shapes.RuleOut:
    """What is left out stays. With other conditions, what was open under the old ones is closed without a message."""
    token = _token(request, CHANGE)
    alert = _find(Alert.objects.visible_to(token.user), id)
    body = _read(request, shapes.RuleChangeIn)
    told = body.model_fields_set
    with transaction.atomic(), translation.override(token.user.language):
        if told - {"is_active"}:
            settings = {**alert.notification_settings}
            settings |= {name: getattr(body, name) for name in ("remind_hours", "tell_resolved") if name in told}
            services.change_alert(
                alert,
                name=body.name if "name" in told else alert.name,
                conditions=_wanted(token.user, alert, body),
                notification_settings=settings,
                channels=_channels(token.user, body.channels) if "channels" in told else list(alert.channels.all()),
            )
        if "is_active" in told:
            try:
                (services.resume_alert if body.is_active else services.pause_alert)(alert)
            except DomainError as refusal:
                error = FieldError(field="is_active", code=refusal.code, message=refusal.user_message)
                raise Problem(422, refusal.user_message, errors=[error]) from None
    return _rule_out(token.user, alert.pk)


@router.delete("/alerts/rules/{id}", response={204: None}, summary="Delete a rule", url_name="alert-rule-delete")
def delete_alert_rule(request: HttpRequest, id: Path[str]) -> Status[None]:
    """Its episodes and its log go with it."""
    services.delete_alert(_find(Alert.objects.visible_to(_token(request, CHANGE).user), id))
    return Status(204, None)


def _wanted(user: User, alert: Alert, body: shapes.RuleChangeIn) -> Conditions:
    if "conditions" in body.model_fields_set:
        return _conditions(user, alert.alert_type, body.conditions)
    stored = selectors.conditions_of(alert)
    if stored is None:
        raise _refused("conditions", "invalid", "Those that are kept are no longer understood: send new ones.")
    return stored


def _conditions(user: User, alert_type: str, wanted: Mapping[str, Any]) -> Conditions:
    try:
        return wishes.checked(user, alert_type, wanted)
    except ConditionError as error:
        errors = [
            FieldError(field=f"conditions.{name}"[:80], code="invalid", message=text)
            for name, text in error.errors.items()
        ]
        raise Problem(400, f"{errors[0]['field']}: {errors[0]['message']}", errors=errors[:20]) from None


def _channels(user: User, wanted: Sequence[UUID]) -> list[Channel]:
    found = list(Channel.objects.visible_to(user).filter(pk__in=wanted))
    if missing := set(wanted) - {one.pk for one in found}:
        raise _refused("channels", "unknown", f"You have no channel {min(missing)}.")
    return found


def _rule_out(user: User, pk: UUID) -> shapes.RuleOut:
    row = Alert.objects.visible_to(user).prefetch_related("channels").filter(pk=pk).first()
    if row is None:
        raise Http404("You have no rule of this id.")
    return _rules_out(user, [row])[0]


def _rules_out(user: User, rows: Sequence[Alert]) -> list[shapes.RuleOut]:
    parsed = {row.pk: selectors.conditions_of(row) for row in rows}
    names = selectors.scope_names(user, [one for one in parsed.values() if one])
    notice = None
    if any(row.closed_by_plan_at for row in rows):
        with translation.override(user.language):
            notice = shrinking.holds(limits.usage(user, "alerts").limit)
    return [
        shapes.RuleOut(
            id=row.pk,
            name=row.name,
            type=cast("shapes.Type", row.alert_type),
            conditions=row.conditions,
            words=selectors.words_of(parsed[row.pk], names),
            is_active=row.is_active and row.closed_by_plan_at is None,
            off_reason=row.off_reason or None,
            closed_by_plan_at=row.closed_by_plan_at,
            plan_notice=notice if row.closed_by_plan_at else None,
            snoozed_until=row.snoozed_until,
            remind_hours=row.notification_settings.get("remind_hours"),
            tell_resolved=row.notification_settings.get("tell_resolved", True),
            channels=sorted(one.pk for one in row.channels.all()),
            created_at=row.created_at,
            updated_at=row.updated_at,
            last_triggered_at=row.last_triggered,
            trigger_count=row.trigger_count,
        )
        for row in rows
    ]


@router.get("/alerts/channels", response=shapes.ChannelsOut, summary="Your channels", url_name="alert-channels")
def alert_channels(request: HttpRequest, response: HttpResponse, filters: Query[PagedFilters]) -> shapes.ChannelsOut:
    """Where you are told, with the ids that rules name them by. They are added on the page of channels."""
    rows = Channel.objects.visible_to(_token(request, READ, CHANGE).user).defer("address", "secret", "old_secret")
    found, cursor = _page(rows, filters)
    names = tuple(shapes.ChannelOut.model_fields)
    return shapes.ChannelsOut(
        data=[
            shapes.ChannelOut(id=one.pk, **{name: getattr(one, name) for name in names if name != "id"})
            for one in found
        ],
        next=next_url(request, response, cursor),
        next_cursor=cursor or None,
    )


# Episodes


class EpisodeFilters(PagedFilters):
    state: Literal["open", "resolved"] | None = Field(None, description="What goes on, or what is over.")
    rule: Text | None = Field(None, max_length=36, description="Id of a rule.")


@router.get("/alerts/episodes", response=shapes.EpisodesOut, summary="Episodes", url_name="alert-episodes")
def alert_episodes(request: HttpRequest, response: HttpResponse, filters: Query[EpisodeFilters]) -> shapes.EpisodesOut:
    """What is the matter, and what was: the newest first."""
    rows = Episode.objects.visible_to(_token(request, READ, CHANGE).user).select_related("alert")
    if filters.state:
        rows = rows.filter(state=filters.state)
    if filters.rule:
        rows = rows.filter(alert=_id("rule", filters.rule))
    found, cursor = _page(rows, filters)
    return shapes.EpisodesOut(
        data=[shapes.EpisodeOut(**_episode(row)) for row in found],
        next=next_url(request, response, cursor),
        next_cursor=cursor or None,
    )


@router.get("/alerts/episodes/{id}", response=shapes.EpisodeDetailOut, summary="One episode", url_name="alert-episode")
def alert_episode(request: HttpRequest, id: Path[str]) -> shapes.EpisodeDetailOut:
    """One episode with its steps."""
    user = _token(request, READ, CHANGE).user
    return _detail(_find(Episode.objects.visible_to(user).select_related("alert"), id))


@router.post(
    "/alerts/episodes/{id}/snooze",
    response={200: shapes.EpisodeDetailOut},
    summary="Snooze an episode",
    url_name="alert-episode-snooze",
    openapi_extra=shapes.changes_by("SnoozeIn"),
)
def snooze_alert_episode(request: HttpRequest, id: Path[str]) -> shapes.EpisodeDetailOut:
    """Tell nothing of it until then; measuring goes on."""
    token, row = _changing(request, id)
    until = _read(request, shapes.SnoozeIn).until
    with translation.override(token.user.language):
        try:
            if until is None:
                services.wake(row)
            else:
                services.snooze(row, until=until)
        except DomainError as error:
            raise _refused("until", error.code, error.user_message) from None
    row.refresh_from_db(fields=["snoozed_until"])
    return _detail(row)


@router.post(
    "/alerts/episodes/{id}/act",
    response={200: shapes.EpisodeDetailOut},
    summary="Say that you acted",
    url_name="alert-episode-act",
)
def act_on_alert_episode(request: HttpRequest, id: Path[str]) -> shapes.EpisodeDetailOut:
    """Note that you did something about it: you are not reminded any more. A second time changes nothing. No body."""
    token, row = _changing(request, id)
    with translation.override(token.user.language):
        services.act_on(row)
    row.refresh_from_db(fields=["acted_at"])
    return _detail(row)


def _changing(request: HttpRequest, id: str) -> tuple[ApiToken, Episode]:
    token = _token(request, CHANGE)
    return token, _find(Episode.objects.visible_to(token.user).select_related("alert"), id)


def _detail(row: Episode) -> shapes.EpisodeDetailOut:
    events = row.events.order_by("at", "pk")[:MOST_EVENTS]
    told = [shapes.EventOut(at=one.at, kind=one.kind, text=one.text) for one in events]
    return shapes.EpisodeDetailOut(**_episode(row), events=told)


def _episode(row: Episode) -> dict[str, Any]:
    facts = row.facts if isinstance(row.facts, dict) else {}
    more = facts.get("more")
    return {
        "id": row.pk,
        "rule_id": row.alert_id,
        "rule": row.alert.name,
        "type": row.alert.alert_type,
        **{name: getattr(row, name) for name in ("state", "severity", "cause", "title", "money_per_day")},
        **{
            name: getattr(row, name)
            for name in ("opened_at", "last_seen_at", "reminded_at", "resolved_at", "snoozed_until", "acted_at")
        },
        "split": _split(row),
        "things": [_thing(one) for one in facts.get("things") or () if isinstance(one, dict)],
        "more": more if isinstance(more, int) else 0,
    }


def _split(row: Episode) -> shapes.SplitOut | None:
    amounts = {name: value for name, (_label, value) in selectors.split_cells(row.split).items()}
    return shapes.SplitOut(**amounts) if len(amounts) == len(shapes.SplitOut.model_fields) else None


def _thing(told: Mapping[str, Any]) -> shapes.ThingOut:
    return shapes.ThingOut(
        subject=str(told.get("subject", "")),
        title=str(told.get("title", "")),
        value=_figure(told.get("value")),
        limit=_figure(told.get("limit")),
        since=_since(told.get("since")),
    )


def _figure(told: object) -> Decimal | None:
    with suppress(InvalidOperation):
        return None if told is None else Decimal(str(told))
    return None


def _since(told: object) -> datetime | None:
    with suppress(ValueError):
        return datetime.fromisoformat(told) if isinstance(told, str) else None
    return None


# The log


class LogFilters(PagedFilters):
    rule: Text | None = Field(None, max_length=36, description="Id of a rule.")
    episode: Text | None = Field(None, max_length=36, description="Id of an episode.")
    status: Literal["pending", "delivered", "failed", "suppressed"] | None = Field(None, description="How it stands.")


@router.get("/alerts/log", response=shapes.LogsOut, summary="What was told", url_name="alert-log")
def alert_log(request: HttpRequest, response: HttpResponse, filters: Query[LogFilters]) -> shapes.LogsOut:
    """Each trigger with its deliveries and their attempts, or why it was held back: the newest first."""
    tries = Prefetch("tries", DeliveryAttempt.objects.order_by("number", "pk"))
    sent = AlertDelivery.objects.select_related("channel").prefetch_related(tries).order_by("created_at", "pk")
    rows = AlertLog.objects.visible_to(_token(request, READ, CHANGE).user).select_related("alert")
    for name, value in (("alert", filters.rule), ("episode", filters.episode)):
        if value:
            rows = rows.filter(**{name: _id("rule" if name == "alert" else name, value)})
    if filters.status:
        rows = rows.filter(delivery_status=filters.status)
    found, cursor = _page(rows.prefetch_related(Prefetch("deliveries", sent), Prefetch("digests", sent)), filters)
    return shapes.LogsOut(
        data=[_log_out(row) for row in found], next=next_url(request, response, cursor), next_cursor=cursor or None
    )


def _log_out(row: AlertLog) -> shapes.LogOut:
    return shapes.LogOut(
        id=row.pk,
        rule_id=row.alert_id,
        rule=row.alert.name,
        episode_id=row.episode_id,
        kind=cast("Any", row.kind),
        severity=cast("Any", row.severity),
        reason=row.trigger_reason,
        status=cast("Any", row.delivery_status),
        suppressed_by=row.suppressed_by or None,
        told_with=row.folded_into_id,
        triggered_at=row.triggered_at,
        delivered_at=row.delivered_at,
        deliveries=[_delivery_out(one) for one in (*row.deliveries.all(), *row.digests.all())],
    )


def _delivery_out(one: AlertDelivery) -> shapes.DeliveryOut:
    return shapes.DeliveryOut(
        id=one.pk,
        channel_id=one.channel_id,
        channel=one.channel.name,
        status=cast("Any", one.status),
        next_at=one.next_at if one.status == AlertDelivery.Status.PENDING else None,
        ended_at=one.ended_at,
        attempts=[
            shapes.TryOut(
                number=attempt.number,
                at=attempt.at,
                seconds=float(attempt.seconds),
                status_code=attempt.status_code,
                error=attempt.error or None,
                answer=attempt.answer or None,
            )
            for attempt in one.tries.all()
        ],
    )


# What they share


def _page(rows: QuerySet[M], filters: PagedFilters) -> tuple[list[M], str]:
    """The page that the cursor asks for, the newest rows first, and the cursor of the next."""
    if filters.cursor:
        (after,) = read_cursor(filters.cursor, 1)
        try:
            rows = rows.filter(pk__lt=UUID(after))
        except ValueError:
            raise bad_parameter("cursor", "Take it from “next_cursor” of the page before, as it is.") from None
    found = list(rows.order_by("-pk")[: filters.limit + 1])
    shown = found[: filters.limit]
    return shown, write_cursor([str(shown[-1].pk)]) if len(found) > len(shown) else ""


def _find(rows: QuerySet[M], id: str) -> M:
    try:
        found = rows.filter(pk=UUID(id)).first()
    except ValueError:
        found = None
    if found is None:
        raise Http404("You have nothing of this id.")
    return found


def _id(name: str, told: str) -> UUID:
    try:
        return UUID(told)
    except ValueError:
        raise bad_parameter(name, "An id, as an answer told it.") from None


def _read(request: HttpRequest, shape: type[B]) -> B:
    """The body as `shape`.

    Raises: Problem 400 with what is wrong of each field.
    """
    told = read_json(raw_body(request))
    if not isinstance(told, dict):
        raise Problem(400, "The body is an object.")
    try:
        return shape.model_validate(told)
    except ValidationError as found:
        errors = [
            FieldError(
                field=".".join(str(part) for part in one["loc"])[:80],
                code="unknown" if one["type"] == "extra_forbidden" else one["type"],
                message=str(one["msg"]).removeprefix("Value error, "),
            )
            for one in found.errors()[:20]
        ]
        raise Problem(400, f"{errors[0]['field']}: {errors[0]['message']}", errors=errors) from None


def _refused(field: str, code: str, message: str) -> Problem:
    return Problem(400, f"{field}: {message}", errors=[FieldError(field=field, code=code, message=message)])


def schemas() -> dict[str, Any]:
    """The bodies, as parts of the contract."""
    return shapes.BODIES


def link(parts: dict[str, Any]) -> None:
    """Tie conditions to their types in the parts of the contract."""
    shapes.link(parts)
