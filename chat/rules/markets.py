"""The market, other platforms, other rates, and power: sentences from what the tools of each tell."""

from __future__ import annotations

from decimal import Decimal

from django.utils.translation import gettext as _

from gpuadvisor.core.advising import Result, Row
from gpuadvisor.core.money import rate as rounded_rate

from .desk import Desk, first, row_of
from .naming import Named
from .results import period_words, position
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

MOST_MODELS = 3


def market(desk: Desk) -> str:
    """How a GPU model's price and rented share moved; without one, those of the host's own models."""
    models = _models(desk)
    named = {one.name for one in desk.asked.models}
    if not models:
        return _("Which GPU model? Ask, for example: “How is the market of the RTX 4090?”")
    parts = []
    for model in models[:MOST_MODELS]:
        result = desk.look("market_of_gpu", gpu_model=model)
        if result is not None:
            parts.append(_market(model, result))
    if len(desk.asked.models) > 1 and desk.gpus:  # beside another's market, what one's own ask
        parts.append(_own_rates(desk))
    if desk.asked.variants:
        words = {
            "chosen": ", ".join(plain(name) for name in models if name in named),
            "names": ", ".join(plain(one.name) for one in desk.asked.variants[:6]),
        }
        parts.append(
            _("Several models go by that name. Taken here: %(chosen)s. Ask by its name for another: %(names)s.") % words
        )
    left = models[MOST_MODELS:]
    if left:
        names = ", ".join(plain(name) for name in left[:8])
        parts.append(_("Ask for one of the others by its name: %(names)s.") % {"names": names})
    return paragraphs([*parts, desk.refusal()])


def _models(desk: Desk) -> list[str]:
    if desk.asked.models:
        return [one.name for one in desk.asked.models]
    if desk.asked.model is not None:
        return [desk.asked.model.name]
    named = desk.gpus or desk.own
    return list(dict.fromkeys(one.model for one in named if one.model))


def _own_rates(desk: Desk) -> str:
    """What the host's own of these models ask, beside the market."""
    listed = desk.look("gpus")
    keys = {gpu.key for gpu in desk.gpus}
    rows = [row for row in (listed.rows if listed else ()) if row.id in keys][:SHOWN]
    return bullets(
        joined(
            [_("Your %(who)s asks %(rate)s.") % {"who": linked(row), "rate": say(cell_of(row, "rate"))}, position(row)]
        )
        for row in rows
        if number(row, "rate") is not None
    )


def _market(model: str, result: Result) -> str:
    row = first(result)
    median = cell_of(row, "median")
    if row is None or median is None or median.value is None:
        return f"{bold(model)}: {unknown(median, _('The price'))}"
    name = f"[{plain(row.title)}]({row.url})" if row.url.startswith("/") else bold(row.title)
    words = {"who": name, "label": plain(median.label.lower()), "price": say(median)}
    parts = [_("%(who)s: %(label)s %(price)s.") % words]
    week, month = number(row, "median_change_7d"), number(row, "median_change_30d")
    moves = [
        (_("%(move)s over 7 days") if days == 7 else _("%(move)s over 30 days"))
        % {"move": _direction(value, say(row.cells[f"median_change_{days}d"], is_bare=True))}
        for days, value in ((7, week), (30, month))
        if value is not None
    ]
    if moves:
        parts.append(_("The price is %(moves)s.") % {"moves": _(" and ").join(moves)})
    else:
        parts.append(unknown(cell_of(row, "median_change_7d"), _("How it moved")))
    share = cell_of(row, "rented")
    if share is not None and share.value is not None:
        text = _("Its rented share is %(share)s") % {"share": say(share)}
        points = number(row, "rented_change_7d")
        if points is not None:
            moved = say(row.cells["rented_change_7d"], is_bare=True)
            text += ", " + _("%(move)s over 7 days") % {"move": _direction(points, moved)}
        parts.append(f"{text}.")
    elif share is not None:
        parts.append(unknown(share))
    if any("imulated" in note for note in result.notes):
        parts.append(_("This is a simulated market."))
    return joined(parts)


def _direction(value: Decimal, amount: str) -> str:
    if not value:
        return _("unchanged")
    return (_("up %(amount)s") if value > 0 else _("down %(amount)s")) % {"amount": amount}


def one_gpu(desk: Desk) -> Named | None:
    """The GPU configuration that is meant: the one named, the only one, or the first of the named model."""
    if desk.gpus:
        return desk.gpus[0]
    if desk.asked.portfolio is None and len(desk.own) == 1:
        return desk.own[0]
    return None


def elsewhere(desk: Desk) -> str:
    """What one GPU would leave on each platform, beside what it does now."""
    gpu = one_gpu(desk)
    if gpu is None:
        return desk.which() if desk.own else _("You have no GPU in use yet.")
    result = desk.look("where_else", gpu=gpu.key)
    if result is None:
        return desk.refusal()
    here = row_of(result, "here")
    own = cell_of(here, "net_per_day")
    parts = []
    if own is not None and own.value is not None:
        parts.append(_("%(gpu)s leaves %(net)s now.") % {"gpu": bold(gpu.name), "net": say(own)})
    else:
        parts.append(f"{bold(gpu.name)}: {unknown(own)}")
    same = [row for row in result.rows if cell_of(row, "is_here") is not None]
    places = [row for row in result.rows if row.id != "here" and row not in same]
    parts += [
        _("Where it is, at the market's price and rented share, it would be: %(place)s.") % {"place": _place(row)}
        for row in same
        if number(row, "net_per_day") is not None
    ]
    known = [row for row in places if number(row, "net_per_day") is not None]
    better = [row for row in known if (number(row, "month_against_here") or 0) > 0]
    if better:
        parts.append(_("Elsewhere it should earn more:"))
        parts.append(bullets(_place(row) for row in better[:SHOWN]))
    elif known and own is not None and own.value is not None:
        parts.append(_("No other platform that tells its market should leave more than that. The nearest:"))
        parts.append(bullets(_place(row) for row in known[:3]))
    elif known:
        parts.append(bullets(_place(row) for row in known[:SHOWN]))
    silent = [plain(row.title) for row in places if number(row, "net_per_day") is None][:8]
    if silent:
        parts.append(
            _("Unknown for %(names)s: they publish no rented share, or a fee is missing.")
            % {"names": ", ".join(silent)}
        )
    if not places:
        parts.append(_("No other platform tells prices to compare with at the moment."))
    return paragraphs([*parts, more(result, _("The market of this GPU"))])


def _place(row: Row) -> str:
    text = _("%(who)s: %(net)s") % {"who": linked(row), "net": say(row.cells["net_per_day"])}
    month = cell_of(row, "month_against_here")
    if month is not None and month.value is not None:
        text += ", " + _("%(month)s against now") % {"month": say(month, is_signed=True)}
    words = {"price": say(cell_of(row, "price")), "share": say(cell_of(row, "rented")), "fee": say(cell_of(row, "fee"))}
    text += " " + _("(price %(price)s, rented %(share)s, fee %(fee)s)") % words
    closed = cell_of(row, "open")
    return f"{text}; {_('takes no new hosts')}" if closed is not None and closed.value == _("no") else text


def what_if(desk: Desk) -> str:
    """Another rate or another price of electricity for one GPU configuration."""
    asked = desk.asked
    gpu = one_gpu(desk)
    if gpu is None and asked.rate is None and asked.percent is None and asked.price is not None and desk.own:
        return _all_at(desk, asked.price)
    if gpu is None:
        return desk.which() if desk.own else _("You have no GPU in use yet.")
    rate = asked.rate
    if rate is None and asked.percent is not None:
        listed = desk.look("gpus")
        now = number(row_of(listed, gpu.key), "rate")
        if now is None:
            return unknown(cell_of(row_of(listed, gpu.key), "rate"), _("Rate"))
        rate = rounded_rate(now * (1 + asked.percent / 100))
    if rate is None and asked.price is None:
        words = {"gpu": plain(gpu.name)}
        return _("At what rate or electricity price? Ask, for example: “What if I charge $0.40 for %(gpu)s?”") % words
    result = desk.look("what_if", gpu=gpu.key, rate=rate, price_per_kwh=asked.price)
    if result is None:
        return desk.refusal()
    parts = []
    if rate is not None:
        parts.append(_at_rate(gpu, row_of(result, "rate")))
    if asked.price is not None:
        parts.append(_at_price(gpu, row_of(result, "costs")))
    if rate is not None:
        parts.append(_("Running rentals keep their price: a new rate is that of new rentals only."))
    return paragraphs([*parts, more(result, plain(gpu.name))])


def _at_rate(gpu: Named, row: Row | None) -> str:
    if row is None:
        return ""
    words = {"gpu": bold(gpu.name), "then": say(cell_of(row, "rate_then")), "now": say(cell_of(row, "rate"))}
    parts = [_("%(gpu)s at %(then)s instead of %(now)s:") % words]
    impact = cell_of(row, "impact")
    if impact is not None and impact.value is not None:
        ends = {
            "impact": say(impact, is_signed=True),
            "low": say(cell_of(row, "impact_low")),
            "high": say(cell_of(row, "impact_high")),
        }
        parts.append(_("expected %(impact)s, between %(low)s at worst and %(high)s at best (estimated).") % ends)
    else:
        parts.append(unknown(impact))
    same = cell_of(row, "impact_same_share")
    if same is not None and same.value is not None:
        parts.append(_("Rented as often as now it would be %(same)s.") % {"same": say(same, is_signed=True)})
    there, median = number(row, "position_then"), cell_of(row, "market_median")
    if there is not None:
        words = {"share": say(row.cells["position_then"], is_bare=True), "median": say(median)}
        if there > 0:
            parts.append(_("That is %(share)s above the median of its comp set, %(median)s.") % words)
        elif there < 0:
            parts.append(_("That is %(share)s below the median of its comp set, %(median)s.") % words)
        else:
            parts.append(_("That is the median of its comp set, %(median)s.") % words)
    if number(row, "recommended") is not None:
        parts.append(_("The market recommends %(rate)s.") % {"rate": say(cell_of(row, "recommended"))})
    warning = cell_of(row, "warning")
    if warning is not None and warning.value:
        parts.append(plain(str(warning.value)))
    return joined(parts)


def _at_price(gpu: Named, row: Row | None) -> str:
    if row is None:
        return ""
    words = {
        "gpu": bold(gpu.name),
        "then": say(cell_of(row, "usd_per_kwh_then")),
        "now": say(cell_of(row, "usd_per_kwh")),
    }
    parts = [_("%(gpu)s with electricity at %(then)s instead of %(now)s:") % words]
    for name in ("energy", "net"):
        then, delta = cell_of(row, f"{name}_then"), cell_of(row, f"{name}_delta")
        if then is None or then.value is None:
            parts.append(unknown(then))
        else:
            text = _("%(label)s of the last 30 days would be %(then)s") % {
                "label": _("energy") if name == "energy" else _("net"),
                "then": say(then),
            }
            if delta is not None and delta.value is not None:
                text += f" ({say(delta, is_signed=True)})"
            parts.append(f"{text}.")
    floor = cell_of(row, "floor_rate_then")
    if floor is not None and floor.value is not None:
        parts.append(_("The floor would be %(floor)s.") % {"floor": say(floor)})
    return joined(parts)


def _all_at(desk: Desk, price: Decimal) -> str:
    """Another price of electricity for the host's GPUs, one after the other, as far as five look-ups go."""
    parts = []
    for gpu in desk.own[:4]:
        result = desk.look("what_if", gpu=gpu.key, price_per_kwh=price)
        parts.append(_at_price(gpu, row_of(result, "costs")))
    left = [plain(gpu.name) for gpu in desk.own[4:12]]
    if left:
        parts.append(_("Ask for one of the others by its name: %(names)s.") % {"names": ", ".join(left)})
    return paragraphs([*parts, desk.refusal()])


def power(desk: Desk) -> str:
    """What energy and fees came to, and at which prices."""
    period = desk.asked.period or "30d"
    names = ["energy", "fee", "fixed", "revenue", "break_even_electricity"]
    figures = desk.look("kpis", period=period, figures=names, **desk.where)
    prices = desk.look("costs", **desk.where)
    row = first(figures)
    parts = []
    if row is not None:
        energy = cell_of(row, "energy")
        if energy is not None and energy.value is not None:
            about = " " + _("(estimated)") if energy.quality == "estimated" else ""
            words = {"when": period_words(period), "energy": say(energy)}
            parts.append(_("%(when)s energy cost %(energy)s") % words + about + ".")
        else:
            parts.append(unknown(energy))
        others = [f"{_('platform fees')} {say(row.cells['fee'])}"] if number(row, "fee") is not None else []
        others += [f"{_('fixed costs')} {say(row.cells['fixed'])}"] if number(row, "fixed") is not None else []
        if others:
            parts.append(_("Beside it: %(others)s.") % {"others": ", ".join(others)})
        even = cell_of(row, "break_even_electricity")
        if even is not None and even.value is not None:
            parts.append(_("The break-even electricity price is %(price)s.") % {"price": say(even)})
    lines = [_price(one) for one in (prices.rows if prices else ()) if "usd_per_kwh" in one.cells]
    told = [one for one in (prices.rows if prices else ()) if "fee" in one.cells]
    fees = [_fee(one) for one in told if cell_of(one, "used") is None]
    return paragraphs(
        [
            joined(parts),
            bullets(lines[: 2 * SHOWN]),
            joined([_("Fees of your platforms:"), ", ".join(fees) + "."]) if fees and lines else "",
            _("No platform of yours is on record, so no fee is told.") if told and not fees else "",
            joined(quotable(note, [prices]) for note in prices.notes) if prices and fees and lines else "",
            desk.refusal(),
        ]
    )


def _price(row: Row) -> str:
    price = cell_of(row, "usd_per_kwh")
    if price is None or price.value is None:
        return f"{linked(row)}: {unknown(price)}"
    return _("%(who)s: electricity at %(price)s") % {"who": linked(row), "price": say(price)}


def _fee(row: Row) -> str:
    fee = cell_of(row, "fee")
    if fee is None or fee.value is None:
        return f"{plain(row.title)} [{_('unknown: enter yours')}]({row.url})"
    return f"{plain(row.title)} {say(fee)}"
