"""How the host does, and why: sentences from KPIs, portfolios, GPUs and the split of me or the market."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal

from django.utils.translation import gettext as _

from gpuadvisor.core import clock, formats
from gpuadvisor.core.advising import Result, Row

from .desk import Desk, first, row_of
from .saying import (
    SHOWN,
    bold,
    bullets,
    cell_of,
    joined,
    linked,
    more,
    moved,
    number,
    paragraphs,
    plain,
    quotable,
    say,
    unknown,
)

OLDEST_DAY = 29  # a tool tells thirty days
MAIN = ["revenue", "net", "occupancy", "coverage", "uptime"]
SPOKEN_KPIS = (
    (r"occupancy of all hours", "calendar_occupancy"),
    (r"occupancy index", "occupancy_index"),
    (r"yield index", "yield_index"),
    (r"occupancy|utili[sz]ation|rented share|how .*rented", "occupancy"),
    (r"yield", "yield_rate"),
    (r"rented at|average rate", "rented_rate"),
    (r"break[- ]?even (?:electricity|power)", "break_even_electricity"),
    (r"break[- ]?even", "break_even_rate"),
    (r"floor", "floor_rate"),
    (r"payback|pay back|paid (?:back|off)", "payback_left"),
    (r"margin", "margin"),
    (r"uptime|online", "uptime"),
    (r"reliability", "platform_reliability"),
    (r"percentile", "price_percentile"),
    (r"time to rent", "time_to_rent"),
    (r"on the books|pace", "pace"),
    (r"coverage", "coverage"),
    (r"platform take", "platform_take"),
    (r"fees?", "fee"),
    (r"energy|electricity|power", "energy"),
    (r"fixed costs?", "fixed"),
)


def period_words(period: str) -> str:
    words = {
        "today": _("Today so far"),
        "7d": _("In the last 7 days"),
        "30d": _("In the last 30 days"),
        "90d": _("In the last 90 days"),
    }
    return words[period]


def before_words(period: str) -> str:
    words = {
        "today": _("Against yesterday up to the same hour"),
        "7d": _("Against the 7 days before"),
        "30d": _("Against the 30 days before"),
        "90d": _("Against the 90 days before"),
    }
    return words[period]


def doing(desk: Desk) -> str:
    """Revenue, net and occupancy of the period, each with how it moved; of a week also the month."""
    if (day := _day_asked(desk)) is not None:
        return _of_day(desk, day)
    period = desk.asked.period or "7d"
    wanted = spoken_kpis(desk.question)
    result = desk.look("kpis", period=period, figures=list(dict.fromkeys([*wanted, *MAIN])), **desk.where)
    row = first(result)
    if result is None or row is None:
        return desk.refusal()
    parts = [_of_wanted(row, wanted, period)] if wanted else [_account(result, row, period)]
    if not wanted and desk.asked.period is None:
        month = desk.look("kpis", period="30d", figures=["revenue", "net", "occupancy"], **desk.where)
        parts.append(_short(month, "30d"))
    parts.append(_gaps(row))
    parts.append(more(result, _("All figures of this period")))
    return paragraphs(parts)


def _day_asked(desk: Desk) -> date | None:
    """The single UTC day that is asked about; of a weekday's name the last one that is over."""
    today = clock.today()
    if desk.asked.days_ago is not None:
        return today - timedelta(days=desk.asked.days_ago)
    if desk.asked.weekday is not None:
        return today - timedelta(days=(today.weekday() - desk.asked.weekday - 1) % 7 + 1)
    return None


def _of_day(desk: Desk, day: date) -> str:
    """What one day brought and left."""
    age = (clock.today() - day).days
    if age > OLDEST_DAY:
        return _("Single days I can tell of the last %(days)d days only.") % {"days": OLDEST_DAY}
    result = desk.look("days", period="7d" if age < 7 else "30d", **desk.where)
    row = row_of(result, day.isoformat())
    if result is None:
        return desk.refusal()
    named = _("Yesterday, %(day)s (UTC)") if age == 1 else _("On %(day)s (UTC)")
    when = named % {"day": plain(formats.full_day(day))}
    if row is None:
        return _("%(when)s: nothing is on record.") % {"when": when}
    whose = bold(desk.gpus[0].name) if len(desk.gpus) == 1 else ""
    whose = whose or (bold(desk.asked.portfolio.name) if desk.asked.portfolio else _("your GPUs"))
    revenue, net, use = (cell_of(row, name) for name in ("revenue", "net", "occupancy"))
    if revenue is None or revenue.value is None:
        parts = [f"{when}: {unknown(revenue)}"]
    else:
        parts = [_("%(when)s %(who)s took in %(revenue)s.") % {"when": when, "who": whose, "revenue": say(revenue)}]
    if net is not None and net.value is not None:
        parts.append(
            _("After fees and power %(net)s was left of that day (estimated)%(of)s.")
            % {"net": say(net), "of": _of_part(result, row)}
        )
    else:
        parts.append(_("What was left of that day is unknown: a fee, watts or a power price of one of them is."))
    if use is not None and use.value is not None:
        parts.append(_("Occupancy that day was %(share)s.") % {"share": say(use)})
    if len(desk.gpus) > 1:
        parts.append(_("That is all of your GPUs: name one by its own name for its day alone."))
    return paragraphs([joined(parts), more(result, _("All days"))])


def spoken_kpis(question: str) -> list[str]:
    """The KPIs that a question names."""
    text, found = question.lower(), []
    for words, name in SPOKEN_KPIS:
        if re.search(rf"\b(?:{words})\b", text):
            found.append(name)
            text = re.sub(rf"\b(?:{words})\b", " ", text)
    return found[:3]


def _whose(row: Row) -> str:
    return _("your GPUs") if row.id == "account" else bold(row.title)


def _of_part(result: Result, row: Row) -> str:
    """What of the revenue a net rests on and whom it leaves out, as its page says; "" where it is of all."""
    of, net = cell_of(row, "net_of"), cell_of(row, "net")
    text = ", " + _("from %(revenue)s of that revenue") % {"revenue": say(of)} if of is not None else ""
    note = next((note for note in result.notes if net is not None and note.startswith(f"{net.label}: ")), "")
    return f"{text}, {plain(note.partition(': ')[2])}" if note else text


def _account(result: Result, row: Row, period: str) -> str:
    """The period in a few sentences, and how it moved."""
    revenue, net, use = (cell_of(row, name) for name in ("revenue", "net", "occupancy"))
    words = {"when": period_words(period), "who": _whose(row), "revenue": say(revenue), "net": say(net)}
    parts = []
    if revenue is None or revenue.value is None:
        parts.append(unknown(revenue, _("Revenue")))
    elif net is not None and net.value is not None:
        about = " " + _("(estimated)") if net.quality == "estimated" else ""
        if cell_of(row, "net_of") is None:
            text = _("%(when)s %(who)s took in %(revenue)s and left %(net)s after fees and power") % words + about
        else:
            text = _("%(when)s %(who)s took in %(revenue)s. After fees and power %(net)s is left") % words + about
        parts.append(f"{text}{_of_part(result, row)}.")
    else:
        parts.append(_("%(when)s %(who)s took in %(revenue)s.") % words)
        parts.append(unknown(net, _("Net")))
    if use is not None and use.value is not None:
        parts.append(_("Occupancy was %(share)s.") % {"share": say(use)})
    elif use is not None:
        parts.append(unknown(use))
    moves = _moves(row, ("revenue", "net", "occupancy"))
    if moves:
        parts.append(f"{before_words(period)}: {moves}.")
    return joined(parts)


def _moves(row: Row, names: tuple[str, ...]) -> str:
    labels = {"revenue": _("revenue"), "net": _("net"), "occupancy": _("occupancy")}
    return ", ".join(
        f"{labels.get(name, str(row.cells[name].label))} {words}" for name in names if (words := moved(row, name))
    )


def _short(result: Result | None, period: str) -> str:
    row = first(result)
    if result is None or row is None or number(row, "revenue") is None:
        return ""
    words = {"when": period_words(period), "revenue": say(row.cells["revenue"]), "net": say(row.cells["net"])}
    text = _("%(when)s: revenue %(revenue)s, net %(net)s") % words + f"{_of_part(result, row)}."
    moves = _moves(row, ("revenue", "net"))
    return f"{text} {before_words(period)}: {moves}." if moves else text


def _of_wanted(row: Row, names: list[str], period: str) -> str:
    """The figures that were asked for by name."""
    lines = []
    for name in names:
        cell = cell_of(row, name)
        if cell is None:
            continue
        if cell.value is None:
            lines.append(unknown(cell))
            continue
        about = " " + _("(estimated)") if cell.quality == "estimated" else ""
        line = f"{bold(cell.label)}: {say(cell)}{about}"
        words = moved(row, name)
        lines.append(f"{line}; {before_words(period).lower()} {words}." if words else f"{line}.")
    head = _("%(when)s, %(who)s:") % {"when": period_words(period), "who": _whose(row)}
    return paragraphs([head, bullets(lines)])


def _gaps(row: Row) -> str:
    share = number(row, "coverage")
    if share is None or share >= 99:
        return ""
    return _("Coverage is %(share)s, so take the sums as parts of what there was.") % {
        "share": say(row.cells["coverage"])
    }


def why(desk: Desk) -> str:
    """How far revenue and occupancy moved, the parts of it, outages, and what else is known."""
    period = desk.asked.period or "7d"
    result = desk.look("kpis", period=period, figures=["revenue", "net", "occupancy", "uptime", "energy"], **desk.where)
    row = first(result)
    if result is None or row is None:
        return desk.refusal()
    split = desk.look("me_or_market", period=period, of="revenue", **desk.where)
    outages = desk.look("outages", **desk.where)
    parts = [_conclusion(row, split, period), _how_far(row, period), _split(split, period), _outages(outages)]
    parts.append(_gaps_of_day(row, period))
    parts.append(more(split, _("How this is split")) if split else more(result, _("All figures of this period")))
    return paragraphs(parts)


def _how_far(row: Row, period: str) -> str:
    moves = _moves(row, ("revenue", "net", "occupancy"))
    if not moves:
        unknowns = [
            unknown(cell) for name in ("revenue", "occupancy") if (cell := cell_of(row, name)) and cell.value is None
        ]
        return joined([_("Nothing can be compared for this period yet."), *unknowns])
    head = _("%(when)s:") if row.id == "account" else _("%(when)s, %(who)s:")
    return (
        head % {"who": _whose(row), "when": before_words(period)}
        + "\n\n"
        + bullets(
            f"{label} {words}"
            for name, label in (("revenue", _("Revenue is")), ("net", _("Net is")), ("occupancy", _("Occupancy is")))
            if (words := moved(row, name))
        )
    )


def _parts_of(result: Result | None) -> list[Row]:
    """The known parts of the change of a day's revenue, the largest first."""
    known = [row for row in (result.rows if result else ()) if row.id != "whole" and number(row, "part")]
    return sorted(known, key=lambda row: abs(number(row, "part") or Decimal(0)), reverse=True)


def _conclusion(row: Row, split: Result | None, period: str) -> str:
    """Whether less or more came in than before, and the largest part of why."""
    value = number(row, "revenue_change")
    if value is None:
        return ""
    words = {"who": _whose(row), "when": before_words(period), "change": moved(row, "revenue")}
    if not value:
        return _("%(when)s %(who)s earned neither more nor less.") % words
    text = (
        _("%(when)s %(who)s earned less: revenue is %(change)s.")
        if value < 0
        else _("%(when)s %(who)s earned more, not less: revenue is %(change)s.")
    )
    text %= words
    alike = [part for part in _parts_of(split) if ((number(part, "part") or 0) < 0) == (value < 0)]
    if alike:
        words = {"part": plain(alike[0].title), "amount": say(alike[0].cells["part"], is_signed=True)}
        text += " " + _("The largest part of it: **%(part)s**, %(amount)s.") % words
    return text


def _split(result: Result | None, period: str) -> str:
    """The parts of the change of a day's revenue, the largest first."""
    if result is None:
        return ""
    whole = next((row for row in result.rows if row.id == "whole"), None)
    known = _parts_of(result)
    if whole is None or number(whole, "change") is None or not known:
        return joined(quotable(note, [result]) for note in result.notes[:1])
    lines = [f"{plain(row.title)}: {say(row.cells['part'], is_signed=True)}" for row in known]
    head = _("%(when)s GPU revenue of a day changed by %(change)s; it splits into:") % {
        "when": before_words(period),
        "change": say(whole.cells["change"], is_signed=True),
    }
    return f"{head}\n\n{bullets(lines)}" if lines else ""


def _outages(result: Result | None) -> str:
    row = next((one for one in result.rows if one.id == "all"), None) if result is not None else None
    if row is None:
        return ""
    hours, cost = cell_of(row, "hours"), cell_of(row, "cost")
    text = _("In the last 30 days %(hours)s were offline") % {"hours": say(hours)}
    if cost is not None and cost.value is not None:
        text += ", " + _("which cost about %(cost)s") % {"cost": say(cost)}
    return text + "."


def _gaps_of_day(row: Row, period: str) -> str:
    uptime = cell_of(row, "uptime")
    if uptime is None or uptime.value is None:
        return unknown(uptime) if uptime is not None else ""
    return _("%(when)s uptime was %(share)s.") % {"when": period_words(period), "share": say(uptime)}


def ranked(desk: Desk) -> str:
    """The GPUs, or the portfolios, that leave the least or the most."""
    is_least = desk.asked.intent == "least"
    period = desk.asked.period or "7d"
    if "portfolio" in desk.question.lower() and desk.asked.portfolio is None:
        result = desk.look("portfolios", period=period)
    else:
        sort = ("least_" if is_least else "most_") + ("rented" if "idle" in desk.question.lower() else "net")
        where = {"portfolio": desk.where["portfolio"]} if "portfolio" in desk.where else {}
        result = desk.look("gpus", period=period, sort=sort, **where)
    if result is None:
        return desk.refusal()
    known = [row for row in result.rows if number(row, "net") is not None]
    if "idle" not in desk.question.lower():
        known.sort(key=lambda row: number(row, "net") or Decimal(0), reverse=not is_least)
    if not known:
        return joined([_("Net is unknown for all of them."), unknown(cell_of(first(result), "net"))])
    chosen = known[0]
    words = {"when": period_words(period), "who": linked(chosen), "net": say(chosen.cells["net"])}
    sentence = (
        _("%(when)s %(who)s left the least: %(net)s net.")
        if is_least
        else _("%(when)s %(who)s left the most: %(net)s net.")
    )
    lines = [_of_row(row) for row in known[1:SHOWN]]
    silent = [row for row in result.rows if number(row, "net") is None][:SHOWN]
    parts = [sentence % words + " " + _beside(chosen), bullets(lines)]
    if silent:
        parts.append(bullets(f"{linked(row)}: {unknown(cell_of(row, 'net'))}" for row in silent))
    return paragraphs(parts)


def _beside(row: Row) -> str:
    """What may explain it: how often it was rented, and where its rate stands."""
    parts = []
    use, place = cell_of(row, "occupancy"), cell_of(row, "price_position")
    if use is not None and use.value is not None:
        parts.append(_("It was rented %(share)s of the time.") % {"share": say(use)})
    if place is not None and place.value is not None:
        parts.append(position(row))
    return joined(parts)


def position(row: Row) -> str:
    """Where its rate stands beside the market."""
    value = number(row, "price_position")
    if value is None:
        return ""
    words = {"share": say(row.cells["price_position"], is_bare=True), "median": say(cell_of(row, "market_median"))}
    if value > 0:
        return _("Its rate is %(share)s above the market median of %(median)s.") % words
    if value < 0:
        return _("Its rate is %(share)s below the market median of %(median)s.") % words
    return _("Its rate is the market median of %(median)s.") % words


def _of_row(row: Row) -> str:
    text = f"{linked(row)}: {say(cell_of(row, 'net'))} {_('net')}"
    use = cell_of(row, "occupancy")
    return f"{text}, {say(use)} {_('rented')}" if use is not None and use.value is not None else text


def portfolios(desk: Desk) -> str:
    """The portfolios with what they left."""
    result = desk.look("portfolios", period=desk.asked.period or "7d")
    if result is None:
        return desk.refusal()
    lines = []
    for row in result.rows[: 2 * SHOWN]:
        gpus = cell_of(row, "gpus")
        line = f"{linked(row)}: {say(gpus)}" if gpus is not None and gpus.value is not None else linked(row)
        net = cell_of(row, "net")
        if net is not None and net.value is not None:
            line += f", {say(net)} {_('net')}"
        elif net is not None:
            line += f"; {unknown(net)}"
        lines.append(line)
    return paragraphs(
        [f"{period_words(desk.asked.period or '7d')}:", bullets(lines), more(result, _("Your portfolios"))]
    )
