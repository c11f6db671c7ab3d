"""What "ask why" pointed at: a conclusion in a sentence or two, what to do about it, then all that it rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.utils.translation import gettext as _

from gpuadvisor.core.advising import Result, Row

from .advice import impact_of
from .saying import bullets, cell_of, joined, linked, number, paragraphs, plain, quotable, say, unknown


def told(kind: str, row: Row, result: Result) -> str:
    """One insight, suggestion or episode."""
    lines = []
    for cell in row.cells.values():
        if cell.value is not None:
            lines.append(f"{cell.label}: {say(cell)}" if cell.quality != "unknown" else unknown(cell))
    conclude = CONCLUSIONS.get(kind)
    return paragraphs(
        [
            conclude(row, result) if conclude else "",
            _("%(what)s rests on this:") % {"what": linked(row)},
            bullets(lines),
        ]
    )


def _episode(row: Row, result: Result) -> str:
    cause = cell_of(row, "cause")
    cause_words = str(cause.value) if cause is not None and cause.value else ""
    is_over = cell_of(row, "over") is not None
    words = {"cause": plain(cause_words[:1].lower() + cause_words[1:]), "since": say(cell_of(row, "since"))}
    if not cause_words or cause_words == _("Not known"):
        text = _("Why this happened is not known: neither your machine, nor the platform, nor the market explains it.")
    elif cause_words == _("No fresh figures"):
        text = _("No figures came since %(since)s, so whether it still is so is unknown.") % words
    else:
        text = _("The cause is %(cause)s, since %(since)s.") % words
    parts = [text, _parts(row)]
    money = cell_of(row, "money")
    if not is_over and money is not None and money.value is not None:
        parts.append(_("At risk: %(money)s (estimated).") % {"money": say(money)})
    if is_over:
        parts.append(_("It is over since %(over)s: there is nothing to do.") % {"over": say(cell_of(row, "over"))})
    else:
        parts.append(_("What to do: %(next)s") % {"next": _next(cause_words)})
    return joined(parts)


def _parts(row: Row) -> str:
    """Whose the loss is."""
    if any(number(row, name) is None for name in ("me", "market", "total")):
        return ""
    words = {name: say(row.cells[name], is_signed=True) for name in ("me", "market", "total")}
    return _("Of %(total)s against the usual, %(me)s is yours and %(market)s the market's.") % words


def _next(cause: str) -> str:
    steps = {
        _("Your machine"): _("see that the machine is online and listed; the loss ends when it is."),
        _("The market"): _("your machine is not at fault; see whether another rate pays: “What should I charge?”"),
        _("The platform"): _("wait until the platform is back; listing it elsewhere helps where it lasts."),
        _("No fresh figures"): _("see whether the platform's key or your import still works: figures are missing."),
    }
    return steps.get(cause, _("ask “Is it me or the market?”, and look at the machine and its rate on its page."))


def _insight(row: Row, result: Result) -> str:
    what = cell_of(row, "what")
    text = quotable(str(what.value), [result]) if what is not None and what.value else ""
    return joined([text, impact_of(row)])


def _suggestion(row: Row, result: Result) -> str:
    why = cell_of(row, "why")
    text = quotable(str(why.value), [result]) if why is not None and why.value else ""
    change = ""
    if number(row, "to_rate") is not None:
        words = {"from": say(cell_of(row, "from_rate")), "to": say(cell_of(row, "to_rate"))}
        change = _("Another rate should earn more: %(to)s instead of %(from)s.") % words
    return joined([change, text, impact_of(row)])


CONCLUSIONS: Mapping[str, Callable[[Row, Result], str]] = {
    "episode": _episode,
    "insight": _insight,
    "suggestion": _suggestion,
}
