"""What a host wishes to do, for which the site has a page or a card: a new alert rule, to sell or to buy."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from .desk import Desk, first
from .naming import Named
from .patterns import BUYING, IDLE, PRICE_WORDS, SELLING
from .results import period_words
from .saying import bold, bullets, cell_of, joined, number, paragraphs, plain, say, unknown

SHOWN = 3


# -- A new alert rule --------------------------------------------------------------------------------------------------
def make_alert(desk: Desk) -> str:
    """A card for the rule that was wished for; where its words leave something open, the page to make it on."""
    page = _("Make the rule on [the page for new rules](%(url)s): it shows what it would have told of late.") % {
        "url": reverse("alerts:new")
    }
    wished = _wished(desk)
    if wished is None:
        return joined(
            [
                _("I make a rule for one GPU, one portfolio or all of them, from a percentage."),
                _("Ask, for example: “Alert me when %(gpu)s is rented below 50%%”.") % {"gpu": plain(_example(desk))},
                page,
            ]
        )
    if desk.look("make_alert", **wished) is None:
        return joined([desk.refusal(), page])
    return paragraphs(
        [
            joined(
                [
                    _("I can make this rule for you."),
                    _("Below is a card with what it tells and how. Nothing changes until you confirm."),
                ]
            ),
            _("To set how long it must last, or who is told, %(page)s") % {"page": page[:1].lower() + page[1:]},
        ]
    )


def _example(desk: Desk) -> str:
    own = desk.gpus or desk.own
    return own[0].name if own else "RTX 4090"


def _wished(desk: Desk) -> dict[str, Any] | None:
    """The arguments of the offer; None where the question leaves open what or of whom."""
    asked = desk.asked
    if asked.percent is None:
        return None
    threshold = abs(Decimal(asked.percent))
    if PRICE_WORDS.search(desk.question):
        if asked.model is None:
            return None
        direction = "down" if asked.percent < 0 else "up"
        return {
            "type": "pricing_change",
            "threshold": threshold,
            "gpu_model": asked.model.name,
            "direction": direction,
        }
    if len(asked.gpus) > 1 or (asked.percent > 0 and not IDLE.search(desk.question)):
        return None
    if asked.percent > 0:  # idle for more than so much
        threshold = 100 - threshold
    return {"type": "utilization_drop", "threshold": threshold, **desk.where}


# -- To hold, to sell, to buy ------------------------------------------------------------------------------------------
def plan(desk: Desk) -> str:
    """Where it is worked out, and what is known of both sides."""
    wanted = _wanted(desk)
    mine = [gpu for gpu in desk.gpus if gpu.model not in {one.name for one in wanted}]
    own, others = mine[:SHOWN], wanted[:2]
    page = reverse("portfolios:plan")
    parts = [
        _("Whether to hold, expand or sell is worked out on [its page](%(url)s), from your own figures.")
        % {"url": page}
        + " "
        + _("It needs what I do not know: the resale price, what a new card costs you, and how long you would keep it.")
    ]
    lines = [_own(desk, gpu, f"{page}?gpu={gpu.key}") for gpu in own]
    lines += [_other(desk, one, f"{page}?model={one.key}") for one in others]
    if len(mine) > len(own):
        names = ", ".join(plain(gpu.name) for gpu in mine[SHOWN : SHOWN + 8])
        lines.append(_("The others are there too: %(names)s.") % {"names": names})
    return paragraphs([*parts, bullets(lines)])


def _wanted(desk: Desk) -> list[Named]:
    """The models to buy: those named behind what is to be sold, all of a question that only buys, none of one's own."""
    models = desk.asked.models
    if not BUYING.search(desk.question):
        own = {gpu.model for gpu in desk.gpus}
        return [one for one in models if one.name not in own]
    return list(models[1:] if SELLING.search(desk.question) else models)


def _own(desk: Desk, gpu: Named, url: str) -> str:
    row = first(desk.look("kpis", period="30d", figures=["net", "payback_left"], gpu=gpu.key, compare=False))
    parts = [f"[{_('Hold or sell %(gpu)s') % {'gpu': plain(gpu.name)}}]({url})."]
    net, payback = cell_of(row, "net"), cell_of(row, "payback_left")
    if net is not None and net.value is not None:
        parts.append(_("%(when)s it left %(net)s.") % {"when": period_words("30d"), "net": say(net)})
    elif net is not None:
        parts.append(unknown(net))
    if payback is not None and payback.value is not None:
        parts.append(_("Payback left is %(time)s.") % {"time": say(payback)})
    return joined(parts)


def _other(desk: Desk, model: Named, url: str) -> str:
    row = first(desk.look("market_of_gpu", gpu_model=model.name))
    parts = [f"[{_('Buy %(gpu)s') % {'gpu': plain(model.name)}}]({url})."]
    if number(row, "median") is not None:
        parts.append(_("Its market median is %(price)s now.") % {"price": say(cell_of(row, "median"))})
    if number(row, "rented") is not None:
        parts.append(_("The market's rented share of it is %(share)s.") % {"share": say(cell_of(row, "rented"))})
    return joined(parts) if row is not None else joined([*parts, bold(model.name)])
