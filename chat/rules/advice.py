"""What to charge and what to do: sentences from suggestions, insights and the journal, and cards to confirm."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _

from gpuadvisor.core.advising import Result, Row

from .desk import Desk, first
from .results import position
from .saying import (
    SHOWN,
    bold,
    bullets,
    cell_of,
    joined,
    linked,
    more,
    number,
    paragraphs,
    plain,
    quotable,
    say,
    unknown,
)


def charge(desk: Desk) -> str:
    """Where the rates stand beside the market, and what is suggested."""
    where = {"portfolio": desk.where["portfolio"]} if "portfolio" in desk.where else {}
    wanted = {one.key for one in desk.gpus}
    listed = desk.look("gpus", **where)
    suggested = desk.look("suggestions", **desk.where)
    if listed is None:
        return desk.refusal()
    rows = [row for row in listed.rows if not wanted or row.id in wanted]
    if wanted and not rows:
        return _of_a_large_fleet(desk)
    rates = [row for row in (suggested.rows if suggested else ()) if number(row, "to_rate") is not None]
    if wanted:
        names = {one.name for one in desk.gpus}
        rates = [row for row in rates if cell_of(row, "gpu") and row.cells["gpu"].value in names]
    parts = [bullets(_rate(row) for row in rows[: 2 * SHOWN])]
    if len(rows) == 1:
        parts = [_rate(rows[0]), _market(desk, rows[0])]
    if rates:
        parts += [_("Suggested now:"), bullets(_suggested_rate(row) for row in rates[:SHOWN])]
        parts.append(more(suggested, _("All suggestions")) if suggested else "")
    else:
        parts.append(_("No change of rate is suggested at the moment: nothing shows that another one would earn more."))
    return paragraphs(parts)


def _of_a_large_fleet(desk: Desk) -> str:
    """The rate of a GPU that the list of the first thirty leaves out."""
    gpu = desk.gpus[0]
    here = first(desk.look("where_else", gpu=gpu.key))
    price, place = cell_of(here, "price"), first(desk.look("market_of_gpu", gpu_model=gpu.model))
    if price is None or price.value is None:
        return f"{bold(gpu.name)}: {unknown(price, _('Rate'))}"
    parts = [_("%(who)s asks %(rate)s.") % {"who": bold(gpu.name), "rate": say(price)}]
    if number(place, "median") is not None:
        parts.append(_("The market median is %(median)s.") % {"median": say(cell_of(place, "median"))})
    return joined(parts)


def _rate(row: Row) -> str:
    """One GPU configuration's rate beside the market and its floor."""
    rate = cell_of(row, "rate")
    if rate is None or rate.value is None:
        return f"{linked(row)}: {unknown(rate, _('Rate'))}"
    parts = [_("%(who)s asks %(rate)s.") % {"who": linked(row), "rate": say(rate)}]
    place = cell_of(row, "price_position")
    parts.append(position(row) or (unknown(place) if place is not None else ""))
    floor = cell_of(row, "floor")
    if floor is not None and floor.value is not None:
        parts.append(_("Its floor is %(floor)s.") % {"floor": say(floor)})
    return joined(parts)


def _market(desk: Desk, row: Row) -> str:
    """The band of the market of one GPU."""
    model = cell_of(row, "model")
    if model is None or model.value is None:
        return ""
    place = first(desk.look("market_of_gpu", gpu_model=str(model.value)))
    if number(place, "p10") is None or number(place, "p90") is None:
        return ""
    words = {"low": say(cell_of(place, "p10")), "high": say(cell_of(place, "p90"))}
    text = _("The market's p10 is %(low)s and its p90 %(high)s: most offers ask something between them.") % words
    if number(place, "rented") is not None:
        text += " " + _("The market's rented share is %(share)s.") % {"share": say(cell_of(place, "rented"))}
    return text


def _suggested_rate(row: Row) -> str:
    gpu = cell_of(row, "gpu")
    words = {
        "who": f"[{plain(str(gpu.value))}]({row.url})" if gpu is not None and gpu.value else linked(row),
        "from": say(cell_of(row, "from_rate")),
        "to": say(cell_of(row, "to_rate")),
    }
    return joined([_("%(who)s: from %(from)s to %(to)s.") % words, impact_of(row)])


def impact_of(row: Row) -> str:
    """What it should bring, with its range and how sure that is."""
    impact = cell_of(row, "impact")
    if impact is None or impact.value is None:
        return ""
    text = _("Expected: %(impact)s") % {"impact": say(impact, is_signed=True)}
    if number(row, "impact_low") is not None:
        ends = {"low": say(row.cells["impact_low"]), "high": say(row.cells["impact_high"])}
        text += " " + _("(between %(low)s and %(high)s)") % ends
    confidence = cell_of(row, "confidence")
    return f"{text}, {say(confidence)}." if confidence is not None and confidence.value else f"{text}."


def next_steps(desk: Desk) -> str:
    """Open suggestions, the most money first, then what else stands out."""
    suggested = desk.look("suggestions", **desk.where)
    insights = desk.look("insights", **desk.where)
    if suggested is None and insights is None:
        return desk.refusal()
    parts = []
    if suggested is not None and suggested.rows:
        parts += [
            _("What should earn the most first:"),
            bullets(_suggestion(row, suggested) for row in suggested.rows[:SHOWN]),
            more(suggested, _("All suggestions")),
        ]
    else:
        parts.append(_("No suggestion is open: nothing shows that another rate or platform would earn more now."))
    if insights is not None and insights.rows:
        parts += [_("What stands out beside them:"), bullets(_insight(row, insights) for row in insights.rows[:3])]
        parts.append(more(insights, _("All insights")))
    return paragraphs(parts)


def _suggestion(row: Row, result: Result) -> str:
    if number(row, "to_rate") is not None:
        text = _suggested_rate(row)
    else:
        text = joined([f"{_titled(row, result)}:", impact_of(row)])
    warning = cell_of(row, "warning")
    return joined([text, plain(str(warning.value)) if warning is not None and warning.value else ""])


def _titled(row: Row, result: Result) -> str:
    """The title as a link; what kind it is where the title holds a figure that no cell tells."""
    words = quotable(row.title, [result])
    if not words:
        kind = cell_of(row, "kind") or cell_of(row, "where") or cell_of(row, "rule")
        words = plain(str(kind.value)) if kind is not None and kind.value else _("One of them")
    return f"[{words}]({row.url})" if row.url.startswith("/") else f"**{words}**"


def _insight(row: Row, result: Result) -> str:
    what = cell_of(row, "what")
    text = quotable(str(what.value), [result]) if what is not None and what.value else ""
    return joined([f"{_titled(row, result)}.", text])


def alerts(desk: Desk) -> str:
    """What alerts found and is still so, the most money at risk first."""
    result = desk.look("episodes", **({"gpu": desk.where["gpu"]} if "gpu" in desk.where else {}))
    if result is None:
        return desk.refusal()
    if not result.rows:
        return joined([*(quotable(note, [result]) for note in result.notes), f"[{_('Alerts')}]({result.url})"])
    lines = [_episode(row, result) for row in result.rows[:SHOWN]]
    return paragraphs([_("Open now, the most money at risk first:"), bullets(lines), more(result, _("All alerts"))])


def _episode(row: Row, result: Result) -> str:
    words = {"cause": say(cell_of(row, "cause")), "since": say(cell_of(row, "since"))}
    text = _("Since %(since)s; cause: %(cause)s") % words
    money = cell_of(row, "money")
    if money is not None and money.value is not None:
        text += "; " + _("at risk: %(money)s") % {"money": say(money)}
    return joined([f"{_titled(row, result)}.", f"{text}."])


def unusual(desk: Desk) -> str:
    """Insights, outages and what is missing on record."""
    insights = desk.look("insights", **desk.where)
    outages = desk.look("outages", **desk.where)
    figures = first(desk.look("kpis", figures=["coverage", "uptime"], **desk.where))
    if insights is None and outages is None:
        return desk.refusal()
    parts = []
    if insights is not None and insights.rows:
        parts += [_("What stands out now:"), bullets(_insight(row, insights) for row in insights.rows[:SHOWN])]
        parts.append(more(insights, _("All insights")))
    else:
        parts.append(_("Nothing stands out: no insight is open."))
    parts.append(_offline(outages))
    coverage = cell_of(figures, "coverage")
    if coverage is not None and coverage.value is not None:
        parts.append(_("Coverage of the last 7 days is %(share)s.") % {"share": say(coverage)})
    elif coverage is not None:
        parts.append(unknown(coverage))
    return paragraphs(parts)


def _offline(result: Result | None) -> str:
    if result is None:
        return ""
    total = next((row for row in result.rows if row.id == "all"), None)
    if total is None:
        return joined(quotable(note, [result]) for note in result.notes[:1])
    words = {"hours": say(cell_of(total, "hours"))}
    text = _("Offline in the last 30 days: %(hours)s") % words
    cost = cell_of(total, "cost")
    if cost is not None and cost.value is not None:
        text += ", " + _("at a cost of about %(cost)s") % {"cost": say(cost)}
    worst = next((row for row in result.rows if row.id != "all"), None)
    if worst is None:
        return f"{text}."
    words = {"who": linked(worst), "hours": say(cell_of(worst, "hours"))}
    return f"{text}. " + _("The dearest of them: %(who)s, %(hours)s.") % words


def changes(desk: Desk) -> str:
    """The journal, newest first."""
    result = desk.look("price_changes", **({"gpu": desk.where["gpu"]} if "gpu" in desk.where else {}))
    if result is None:
        return desk.refusal()
    if not result.rows:
        return _(
            "No price change is on record. Enter one on the page of the GPU, or tell me: “I changed the rate of …”."
        )
    lines = []
    for row in result.rows[: 2 * SHOWN]:
        words = {
            "who": linked(row),
            "when": say(cell_of(row, "changed_at")),
            "from": say(cell_of(row, "from_rate")),
            "to": say(cell_of(row, "to_rate")),
        }
        lines.append(_("%(when)s, %(who)s: from %(from)s to %(to)s") % words)
    return paragraphs([_("Changes of your rates, newest first:"), bullets(lines)])


# -- Cards -------------------------------------------------------------------------------------------------------------


def accept(desk: Desk) -> str:
    """A card that accepts the suggestion which is meant: the only one, or the one with the most money."""
    suggested = desk.look("suggestions", **desk.where)
    if suggested is None:
        return desk.refusal()
    if not suggested.rows:
        return _("No suggestion is open that you could accept.")
    row = suggested.rows[0]
    card = desk.look("accept_suggestion", suggestion=row.id)
    if card is None:
        return desk.refusal()
    parts = [
        _suggestion(row, suggested),
        _("Below is a card with what would happen. Nothing changes until you confirm."),
    ]
    if len(suggested.rows) > 1 and not desk.where:
        parts.append(_("This is the one with the most money of those that are open; name a GPU to choose another."))
    return paragraphs(parts)


def note_price(desk: Desk) -> str:
    """A card that writes a change of a rate into the journal."""
    if len(desk.gpus) != 1:
        return desk.which()
    (gpu,) = desk.gpus
    if desk.asked.rate is None:
        words = {"gpu": plain(gpu.name)}
        return _("What is the new rate of %(gpu)s? Tell it in dollars per GPU-hour, with the name of the GPU.") % words
    listed = desk.look("gpus")
    row = next((one for one in (listed.rows if listed else ()) if one.id == gpu.key), None)
    platform = cell_of(row, "platform")
    if row is None:  # the list tells the first thirty
        platform = cell_of(first(desk.look("where_else", gpu=gpu.key)), "platform")
    if platform is None or platform.value is None:
        url = reverse("portfolios:price-changes", args=[gpu.key])
        return _("On which platform? None is on record for %(gpu)s: enter the change on [its page](%(url)s).") % {
            "gpu": plain(gpu.name),
            "url": url,
        }
    name = str(platform.value).split(",")[0].strip()
    card = desk.look("note_price_change", gpu=gpu.key, platform=name, to_rate=desk.asked.rate)
    if card is None:
        return desk.refusal()
    words = {"gpu": bold(gpu.name), "platform": plain(name)}
    return joined(
        [
            _("I can write the new rate of %(gpu)s on %(platform)s into the journal.") % words,
            _("Below is a card with what would happen. Nothing changes until you confirm."),
        ]
    )
