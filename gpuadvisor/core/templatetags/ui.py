"""`{% load ui %}`: how every page draws figures, icons and charts.

{% icon "bell" %}                      an icon of static/icons.svg; {% icon "bell" _("Alerts") %} where it stands alone
{% chart series title unit %}          SVG, legend and table; also csv_url="", from_zero=False, note=""
{% sparkline values %}                 a small line without axes
{% change now before _("the 7 days before") as words %}   a difference in words
{{ x|money }} {{ x|price }} {{ x|rate }} {{ x|percent }}   a dash for None, as the next three
{{ x|number }} {{ x|number:1 }} {{ x|quantity:"kWh" }}
{{ instant|ago }} {{ instant|when }} {{ instant|clock }}   <time>: relative under a day, absolute, hours and minutes
{{ figure|figure }}                    the text of a core.figures.Figure; ui/_figure.html draws it whole,
{{ figure|brief }}                     this for a table cell: no line below it; {{ figure|headline }} for a card
{% ui_words %} {% mail_styles %}       for base.html and base_mail.html
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from django import template
from django.conf import settings
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import escape, format_html, json_script
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify
from django.utils.translation import gettext as _

from gpuadvisor.core import charts, formats
from gpuadvisor.core.figures import Figure

register = template.Library()

LONGEST_WITHOUT_YEARS = 300  # days of an axis
LIGHT_SERIES = ("#2257d6", "#0f7f87", "#8743c4", "#a35a00")  # for PDF and mail; app.css knows the dark ones

register.filter("money", formats.money)
register.filter("price", formats.price)
register.filter("rate", formats.rate)
register.filter("percent", formats.percent)
register.filter("number", formats.number)
register.filter("quantity", formats.quantity)


@register.filter
def dollars(value: object) -> str:
    """An amount of which nobody knows the cents."""
    return formats.money(value, places=0)


@register.filter("figure")
def figure_text(value: Figure | None) -> str:
    return formats.figure(value) if value else formats.DASH


@lru_cache(maxsize=512)
def _unknown(word: str, missing: str) -> SafeString:
    words = f"{word}: {missing}" if missing else word
    return format_html(
        '<span class="figure unknown" title="{}">{}<span class="visually-hidden"> {}</span></span>',
        missing,
        formats.DASH,
        words,
    )


@lru_cache(maxsize=512)
def _estimated(word: str, method: str) -> SafeString:
    hidden = format_html('<span class="visually-hidden"> ({})</span>', method) if method else ""
    return format_html(' <span class="est" title="{}">{}{}</span>', method, word, hidden)


@register.filter
def brief(value: Figure | None) -> SafeString:
    """A figure in a table cell: value and, hidden from the eye, its method or what would make it known.

    Written here, since a page has dozens of them and an include takes ten times as long.
    """
    return _drawn(value, escape(formats.figure(value)) if value else "")


@register.filter
def headline(value: Figure | None) -> SafeString:
    """The figure of a card: as `brief`, what it is per small behind it and never torn apart."""
    number, per, unit = formats.figure(value).partition("/") if value else ("", "", "")
    return _drawn(value, f'{escape(number)}<span class="unit">{per}{escape(unit)}</span>' if per else escape(number))


def _drawn(value: Figure | None, text: str) -> SafeString:
    """`text`, which is escaped, with the method behind it; a dash where nobody knows."""
    if value is None or not value.is_known:
        return _unknown(_("unknown"), str(value.missing) if value else "")
    about = _estimated(_("est."), str(value.method)) if value.quality == "estimated" else ""
    return mark_safe(f'<span class="figure">{text}{about}</span>')  # escaped, piece by piece


def _time(value: datetime | date, text: str) -> SafeString:
    full = formats.moment(value)
    stamp = charts.as_instant(value).isoformat(timespec="seconds") if isinstance(value, datetime) else value.isoformat()
    if text == full:
        return format_html('<time datetime="{}">{}</time>', stamp, text)
    return format_html('<time datetime="{}" title="{}">{}</time>', stamp, full, text)


@register.filter
def ago(value: datetime | date | None) -> str:
    if value is None or value == "":
        return formats.DASH
    return _time(value, formats.relative(value) if isinstance(value, datetime) else formats.moment(value))


@register.filter
def when(value: datetime | date | None) -> str:
    return _time(value, formats.moment(value)) if value else formats.DASH


@register.filter
def clock(value: datetime | None) -> str:
    return _time(value, formats.clock_time(value)) if value else formats.DASH


@register.simple_tag
def change(now: object, before: object, period: str) -> str:
    return formats.change(now, before, str(period))


@lru_cache(maxsize=256)
def _icon(sprite: str, name: str) -> SafeString:
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>', sprite, name)


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    drawn = _icon(static("icons.svg"), name)
    return format_html('{}<span class="visually-hidden">{}</span>', drawn, label) if label else drawn


@register.simple_tag
def sparkline(values: Sequence[charts.Value], label: str = "") -> SafeString | str:
    line, area = charts.sparkline(list(values or ()))
    if not line:
        return ""
    said = format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"')
    return format_html(
        '<svg class="spark" viewBox="0 0 86 26" preserveAspectRatio="none" {}>'
        '<path class="area" fill="#2257d6" fill-opacity=".12" d="{}"/>'
        '<path fill="none" stroke="#2257d6" d="{}"/></svg>',
        said,
        area,
        line,
    )


def _table_rows(drawing: charts.Drawing, labels: list[str], unit: str) -> SafeString:
    """The rows under a chart, newest first: written here, since a template loop takes ten times as long."""
    write = formats.writer(unit)
    columns = [[write(value) for value in line.values] for line in drawing.lines]
    for band in drawing.bands:
        pairs = zip(band.low, band.high, strict=True)
        columns.append(
            [formats.DASH if low is high is None else f"{write(low)} – {write(high)}" for low, high in pairs]
        )
    rows = [
        f'<tr><th scope="row">{label}<td>{"<td>".join(cells)}' for label, *cells in zip(labels, *columns, strict=True)
    ]
    return mark_safe("".join(reversed(rows)))  # only digits, currency signs and dates stand in them


@register.inclusion_tag("ui/_chart.html")
def chart(
    series: charts.Series,
    title: str,
    unit: str,
    csv_url: str = "",
    from_zero: bool = False,
    note: str = "",
) -> dict[str, Any]:
    """The SVG of `series` with its legend, its table and, where given, the address of its CSV."""
    is_daily = bool(series.times) and not isinstance(series.times[0], datetime)
    zone = UTC if is_daily else timezone.get_current_timezone()
    context: dict[str, Any] = {
        "title": title,
        "unit": unit,
        "csv_url": csv_url,
        "note": note,
        "is_empty": series.is_empty,
    }
    if series.is_empty:
        return context
    drawing = charts.draw(series, zone=zone, from_zero=from_zero)
    labels = [formats.moment(instant.date() if is_daily else instant) for instant in drawing.times]
    span = drawing.times[-1] - drawing.times[0]
    plain = 0
    lines = []
    for line in drawing.lines:
        style, color = line.kind, LIGHT_SERIES[0]
        if line.kind == "median":
            color = "#566171"
        elif line.kind == "line":  # my own line keeps the first color even where it comes last
            plain += 1
            position = min(plain + (any(other.kind == "mine" for other in drawing.lines)), len(LIGHT_SERIES))
            style, color = f"s{position}", LIGHT_SERIES[position - 1]
        lines.append({"label": line.label, "path": line.path, "style": style, "color": color})
    x_ticks = []
    for i, tick in enumerate(drawing.x_ticks):
        instant = datetime.fromtimestamp(tick.value, zone)
        at_hour = span.days < 3 and not is_daily and (instant.hour or instant.minute)
        by_day = formats.month if span.days > LONGEST_WITHOUT_YEARS else formats.day
        text = formats.clock_time(instant) if at_hour else by_day(instant.date())
        anchor = "start" if tick.at < charts.LEFT + 20 else "end" if tick.at > charts.WIDTH - 28 else "middle"
        x_ticks.append({"at": f"{tick.at:.1f}", "text": text, "anchor": anchor, "is_minor": i % 2})
    return context | {
        "id": f"chart-{slugify(title) or 'figures'}",
        "summary": _("%(title)s, %(start)s to %(end)s") % {"title": title, "start": labels[0], "end": labels[-1]},
        "size": f"0 0 {charts.WIDTH:.0f} {charts.HEIGHT:.0f}",
        "plot": {name: f"{value:.0f}" for name, value in drawing.plot.items()},  # text: no decimal comma in an SVG
        "lines": lines,
        "bands": drawing.bands,
        "marks": [
            {
                "at": f"{m.at:.1f}",
                "text": m.text,
                "anchor": "end" if m.is_late else "start",
                "dx": -4 if m.is_late else 4,
            }
            for m in drawing.marks
        ],
        "y_ticks": [
            {"at": f"{tick.at:.1f}", "text": formats.axis(tick.value, unit, drawing.y_step)} for tick in drawing.y_ticks
        ],
        "x_ticks": x_ticks,
        "rows": _table_rows(drawing, labels, unit),
        "data": {
            "plot": drawing.plot,
            "xs": [round(x, 1) for x in drawing.xs],
            "ys": [[None if y is None else round(y, 1) for y in line.ys] for line in drawing.lines],
        },
    }


@register.simple_tag
def ui_words() -> SafeString:
    """The sentences of static/js/ui.js, in the reader's language."""
    words = {
        "close": _("Close"),
        "reload": _("Reload the page"),
        "signIn": _("Sign in"),
        "forbidden": _("That was not allowed. Perhaps you signed in or out in another tab."),
        "gone": _("That is no longer there."),
        "tooMany": _("Too many requests. Wait a moment, then try again."),
        "tooLarge": _("That is too large to send."),
        "failed": _("That did not work, and nothing was changed. Please try again."),
        "errorId": _("Error id:"),
        "offline": _("No connection. What you typed is still here; try again in a moment."),
        "passkey": _("The passkey could not be used:"),
        "kept": _("What you had typed is back."),
        "passkeyHost": _("Passkeys need the address localhost, or https."),
    }
    return json_script(words, "ui-words")


@lru_cache(maxsize=1)
def _mail_css() -> str:
    path = finders.find("css/mail.css") or str(Path(settings.STATIC_ROOT or "") / "css" / "mail.css")
    return Path(path).read_text(encoding="utf-8")


@register.simple_tag
def mail_styles() -> SafeString:
    """mail.css, for css-inline to write into the elements."""
    return mark_safe(f"<style>{_mail_css()}</style>")
