"""The doorway of the rules: one question in, Markdown out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User

from . import advice, markets, pointing, results, wishes
from .desk import Call, Desk
from .glossary import TERMS
from .names import names_of
from .saying import Anchor, bullets, joined, marking, paragraphs, plain
from .words import Asked, term_in, understand

ANSWERS: Mapping[str, Callable[[Desk], str]] = {
    "doing": results.doing,
    "why": results.why,
    "least": results.ranked,
    "most": results.ranked,
    "portfolios": results.portfolios,
    "charge": advice.charge,
    "next": advice.next_steps,
    "alerts": advice.alerts,
    "make_alert": wishes.make_alert,
    "plan": wishes.plan,
    "unusual": advice.unusual,
    "changes": advice.changes,
    "accept": advice.accept,
    "note_price": advice.note_price,
    "market": markets.market,
    "elsewhere": markets.elsewhere,
    "what_if": markets.what_if,
    "power": markets.power,
}
PERIODS = ("today", "7d", "30d", "90d")
OF_NO_GPU = frozenset({"market", "term", "help", "unknown", "plan"})  # intents that need no GPU of one's own


@dataclass(frozen=True)
class Said:
    """What the rules say, and the cell behind each figure that they took from one."""

    text: str
    anchors: tuple[Anchor, ...] = ()


def answer(
    *, user: User, question: str, call: Call, earlier: Sequence[str] = (), subject: Mapping[str, Any] | None = None
) -> Said:
    """What the rules say to a question, as Markdown whose figures all stand in what `call` returned.

    At most five calls an answer. A tool that says no is told in its own sentence. `earlier`: the host's questions
    before, newest last, for what "it" means; `subject`: the tool and arguments that "ask why" pointed at.
    """
    with marking() as unmark:
        text, anchors = unmark(_text(user, question, call, earlier, subject))
    return Said(text, tuple(anchors))


def _text(user: User, question: str, call: Call, earlier: Sequence[str], subject: Mapping[str, Any] | None) -> str:
    names = names_of(user)
    asked = understand(question, names, TERMS)
    asked = _pointed(asked, names, earlier, subject)
    if asked.follows:
        asked, question = _followed(asked, question, names, earlier)
    desk = Desk(asked, names, call, question)
    if asked.intent == "term":
        text = str(TERMS[term_in(question, TERMS)])
    elif not desk.own and asked.intent not in OF_NO_GPU:
        text = _nothing_yet(user)
    elif asked.intent in ANSWERS:
        text = _answered(desk, subject)
    else:
        text = _what_i_can(user, is_greeting=asked.intent == "help")
    if not text.strip():
        text = desk.refusal() or _("That is unknown: no figure of it is on record.")
    return text


def _pointed(asked: Asked, names: Sequence[Any], earlier: Sequence[str], subject: Mapping[str, Any] | None) -> Asked:
    """What "it" means: what was pointed at, else what the host named last."""
    arguments = (subject or {}).get("arguments") or {}
    if not asked.gpus and arguments.get("gpu"):
        found = tuple(one for one in names if one.kind == "gpu" and one.key == arguments["gpu"])
        asked = replace(asked, gpus=found)
    if not asked.gpus and asked.portfolio is None and arguments.get("portfolio"):
        found_portfolio = next((one for one in names if one.key == arguments["portfolio"]), None)
        asked = replace(asked, portfolio=found_portfolio)
    if subject and arguments.get("period") in PERIODS and asked.period is None:
        asked = replace(asked, period=arguments["period"])
    if asked.gpus or asked.portfolio or asked.model or not asked.is_pronoun:
        return asked
    for said in reversed(earlier):
        before = understand(said, names)
        if before.gpus or before.portfolio or before.model:
            return replace(
                asked, gpus=before.gpus, portfolio=before.portfolio, model=before.model, models=before.models
            )
    return asked


def _followed(asked: Asked, question: str, names: Sequence[Any], earlier: Sequence[str]) -> tuple[Asked, str]:
    """“And the 3090?”: what was asked before, of what is named now; with the question whose words it goes by."""
    for said in reversed(earlier):
        before = understand(said, names, TERMS)
        if before.follows:
            continue
        if before.intent not in ANSWERS:
            break
        kept = {
            name: getattr(asked, name) or getattr(before, name)
            for name in ("period", "rate", "price", "percent", "days_ago")
        }
        if not (asked.gpus or asked.portfolio or asked.model):
            kept |= {name: getattr(before, name) for name in ("gpus", "portfolio", "model", "models", "variants")}
        if asked.weekday is None:
            kept["weekday"] = before.weekday
        return replace(asked, intent=before.intent, **kept), said
    return asked, question


def _answered(desk: Desk, subject: Mapping[str, Any] | None) -> str:
    """The answer; of an insight, a suggestion or an episode that was pointed at, what it rests on."""
    if subject and subject.get("kind") in ("insight", "suggestion", "episode") and subject.get("tool"):
        result = desk.look(str(subject["tool"]), **dict(subject.get("arguments") or {}))
        row = next((one for one in (result.rows if result else ()) if one.id == subject.get("key")), None)
        if result is not None and row is not None:
            return pointing.told(str(subject["kind"]), row, result)
    return ANSWERS[desk.asked.intent](desk)


def _nothing_yet(user: User) -> str:
    """What to enter first, with the page for it."""
    return joined(
        [
            _("You have no GPU in use yet, so nothing is known of your own figures."),
            _("[Add your GPUs](%(url)s), then the electricity price and the figures of some days.")
            % {"url": reverse("portfolios:welcome")},
            _("Meanwhile I can tell you of the market: “How is the market of the RTX 4090?”"),
        ]
    )


def _what_i_can(user: User, *, is_greeting: bool) -> str:
    from ..suggested import questions

    head = _("I answer from rules over your own figures and the market's; I am not a language model.")
    if not is_greeting:
        head = joined([_("I did not understand this question."), head])
    offered = bullets(f"“{plain(one.text)}”" for one in questions(user, 6))
    return paragraphs(
        [
            head,
            _(
                "I can tell how you are doing and why that changed, what to charge, what another rate or electricity"
                " price would do, where a GPU would earn more, how the market moves, what your power costs, what a"
                " single day brought, and what to do next. I explain words of the trade; I note a price change, make an"
                " alert rule and accept a suggestion for you to confirm."
            ),
            _("Ask me, for example:"),
            offered,
        ]
    )
