"""Numbers, money and times as the reader's language writes them. Templates use them through `{% load ui %}`."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time, format_timedelta
from babel.numbers import format_decimal, format_percent, get_currency_symbol
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.core.figures import Figure

DASH = "–"  # what stands where nobody knows the value
MINUS = "−"
NBSP = "\u00a0"
RATE_UNIT = "USD/GPU-h"
PLACES = {"": 1, "USD": 2, RATE_UNIT: 4, "USD/kWh": 4, "%": 1, "pt": 1, "W": 0, "kWh": 1, "GPU": 0, "h": 1, "months": 1}


@lru_cache(maxsize=64)
def _locale(language: str) -> Locale:
    try:
        return Locale.parse(translation.to_locale(language))
    except (UnknownLocaleError, ValueError):
        return Locale.parse("en_US")


def current_locale() -> Locale:
    """The locale of the language that this thread speaks."""
    return _locale(translation.get_language() or "en-us")


@lru_cache(maxsize=256)
def _pattern(locale: Locale) -> tuple[str, str, bool]:
    """Decimal mark, group mark, and whether thousands are plain threes, so that Python can write the number itself."""
    sample = format_decimal(1234567.5, format="#,##0.0", locale=locale)
    plain = sample == f"1{sample[1]}234{sample[1]}567{sample[-2]}5" and format_decimal(1234, locale=locale) != "1234"
    return sample[-2], sample[1], plain


def _digits(value: Decimal, places: int, locale: Locale) -> str:
    """`value`, rounded half up, with exactly `places` decimals; a minus is a real minus sign."""
    rounded = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    decimal_mark, group_mark, plain = _pattern(locale)
    if plain:
        text = f"{abs(rounded):,f}".translate({ord(","): group_mark, ord("."): decimal_mark})
    else:
        decimals = f".{'0' * places}" if places else ""
        text = format_decimal(abs(rounded), format=f"#,##0{decimals}", locale=locale)
    return f"{MINUS}{text}" if rounded < 0 else text


@lru_cache(maxsize=256)
def _currency(currency: str, locale: Locale) -> tuple[str, str]:
    """What stands before and behind an amount of `currency`."""
    symbol = get_currency_symbol(currency, locale=locale)
    before, _hash, behind = locale.currency_formats["standard"].pattern.split(";")[0].partition("#")
    behind = behind.lstrip("#,.0")
    joined_before, joined_behind = before.replace("¤", symbol), behind.replace("¤", symbol)
    if joined_before and joined_before[-1].isalpha():
        joined_before += NBSP
    return joined_before, joined_behind


def to_number(value: object) -> Decimal | None:
    """`value` as a finite Decimal; None for everything that is no number."""
    if isinstance(value, bool) or value is None or value == "":
        return None
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def number(value: object, places: int | None = None) -> str:
    """`value` in the reader's digits; without `places`, as many decimals as it carries, two at most."""
    decimal = to_number(value)
    if decimal is None:
        return DASH
    if places is None:
        exponent = decimal.quantize(Decimal("0.01"), ROUND_HALF_EVEN).normalize().as_tuple().exponent
        places = max(0, -int(exponent))
    return _digits(decimal, places, current_locale())


def money(value: object, currency: str = "USD", places: int = 2) -> str:
    """An amount with its currency: `$1,240.50`, `1.240,50 $`."""
    decimal = to_number(value)
    if decimal is None:
        return DASH
    locale = current_locale()
    before, behind = _currency(currency, locale)
    digits = _digits(decimal, places, locale)
    sign, digits = (MINUS, digits[1:]) if digits.startswith(MINUS) else ("", digits)
    return f"{sign}{before}{digits}{behind}"


def price(value: object) -> str:
    """A price per GPU-hour as precise as it matters: four places below $1, three below $10, two above.

    Zeros beyond the second place are left out, so a source that tells whole cents is shown with them: `$0.64`,
    `$0.0166`.
    """
    decimal = to_number(value)
    if decimal is None:
        return DASH
    places = 4 if abs(decimal) < 1 else 3 if abs(decimal) < 10 else 2
    rounded = decimal.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP).normalize()
    return money(rounded, places=max(2, -int(rounded.as_tuple().exponent)))


def rate(value: object) -> str:
    """A price per GPU-hour, four places: `$0.4125/GPU-h`."""
    text = money(value, places=4)
    return text if text == DASH else f"{text}/GPU-h"


@lru_cache(maxsize=64)
def _percent_sign(locale: Locale) -> str:
    return format_percent(0, locale=locale).lstrip("0٠۰")


def percent(value: object, places: int = 1) -> str:
    """A share of 0-100 with its sign: `81.4%`."""
    decimal = to_number(value)
    if decimal is None:
        return DASH
    locale = current_locale()
    return f"{_digits(decimal, places, locale)}{_percent_sign(locale)}"


def signed_percent(value: object) -> str:
    """A difference in percent with its sign: `+3.2%`."""
    decimal = to_number(value)
    return f"{'+' if decimal is not None and decimal > 0 else ''}{percent(value)}"


def signed_points(value: object) -> str:
    """A difference of two shares in percentage points, with its sign: `+3.2 pt`."""
    decimal = to_number(value)
    if decimal is None:
        return DASH
    return _("%(points)s pt") % {"points": f"{'+' if decimal > 0 else ''}{number(decimal, 1)}"}


def quantity(value: object, unit: str, places: int | None = None) -> str:
    """`value` with its unit, in the places that the unit asks for."""
    places = PLACES.get(unit, 2) if places is None else places
    if to_number(value) is None:
        return DASH
    if unit == "USD":
        return money(value, places=places)
    if unit.startswith("USD/"):
        return f"{money(value, places=places)}/{unit.removeprefix('USD/')}"
    if unit == "%":
        return percent(value, places)
    text = number(value, places)
    if unit == "GPU":
        unit = ngettext("GPU", "GPUs", int(to_number(value) or 0))
    return f"{text}{NBSP}{unit}" if unit else text


def writer(unit: str) -> Callable[[float | None], str]:
    """A quick `quantity` for many floats of one unit, as a chart's table has them; "per what" is left out."""
    places = PLACES.get(unit, 2)
    locale = current_locale()
    decimal_mark, group_mark, plain = _pattern(locale)
    if not plain:
        return lambda value: quantity(value, "USD" if unit.startswith("USD/") else unit, places)
    before, behind = "", f"{NBSP}{unit}" if unit else ""
    if unit.startswith("USD"):
        before, behind = _currency("USD", locale)
    elif unit == "%":
        behind = _percent_sign(locale)
    marks = {ord(","): group_mark, ord("."): decimal_mark}

    def write(value: float | None) -> str:
        if value is None:
            return DASH
        digits = f"{abs(value):,.{places}f}".translate(marks)
        return f"{MINUS if value < 0 else ''}{before}{digits}{behind}"

    return write


def figure(value: Figure) -> str:
    """A figure's value with its unit; a dash where it is unknown."""
    return quantity(value.value, value.unit) if value.is_known else DASH


def axis(value: float, unit: str, step: float) -> str:
    """A number beside a chart's grid line, with only the decimals that tell it from the next line."""
    places = 0
    while places < 4 and abs(round(step, places) - step) > step / 1000:
        places += 1
    if unit.startswith("USD"):
        return money(value, places=max(places, 2) if places else 0)
    if unit == "%":
        return percent(value, places)
    return number(value, places)


def change(now: object, before: object, period: str) -> str:
    """The difference to an earlier window in words, `period` naming it: "up 6.2% on the 7 days before"."""
    current, earlier = to_number(now), to_number(before)
    if current is None:
        return ""
    if earlier is None:
        return _("no figure for %(period)s") % {"period": period}
    if current == earlier:
        return _("the same as %(period)s") % {"period": period}
    if earlier == 0 or (current < 0) != (earlier < 0):
        difference = number(abs(current - earlier), 2)
        words = _("up %(by)s on %(period)s") if current > earlier else _("down %(by)s on %(period)s")
        return words % {"by": difference, "period": period}
    by = percent(abs(current - earlier) / abs(earlier) * 100)
    words = _("up %(by)s on %(period)s") if current > earlier else _("down %(by)s on %(period)s")
    return words % {"by": by, "period": period}


def local(instant: datetime) -> datetime:
    """`instant` in the reader's zone; a naive one is taken as UTC."""
    if timezone.is_naive(instant):
        instant = instant.replace(tzinfo=timezone.get_default_timezone())
    return timezone.localtime(instant)


@lru_cache(maxsize=2048)
def _date_text(value: date, locale: Locale) -> str:
    return format_date(value, "medium", locale=locale)


@lru_cache(maxsize=4096)
def _time_text(value: time, locale: Locale) -> str:
    return format_time(value, "short", locale=locale)


def moment(value: datetime | date) -> str:
    """Date and time in the reader's zone and language; of a date, the date."""
    locale = current_locale()
    if not isinstance(value, datetime):
        return _date_text(value, locale)
    there = local(value)
    joined = str(locale.datetime_formats["medium"])  # "{1}, {0}": date and time in the order of the language
    return joined.format(_time_text(time(there.hour, there.minute), locale), _date_text(there.date(), locale))


def clock_time(value: datetime) -> str:
    """Hours and minutes in the reader's zone."""
    there = local(value)
    return _time_text(time(there.hour, there.minute), current_locale())


def day(value: date | datetime) -> str:
    """Day and month, as an axis shows them: `23 Oct`."""
    plain = local(value).date() if isinstance(value, datetime) else value
    return format_skeleton("MMMd", plain, locale=current_locale())


def full_day(value: date) -> str:
    """Day, month and year, where the year is not plain: `Dec 31, 2024`."""
    return format_skeleton("yMMMd", value, locale=current_locale())


def month(value: date) -> str:
    """Month and year, as an axis of years shows them: `Oct 2026`."""
    return format_skeleton("yMMM", value, locale=current_locale())


def relative(instant: datetime, now: datetime | None = None) -> str:
    """Words like "12 minutes ago" under a day; else date and time."""
    now = now or timezone.now()
    age = now - local(instant)
    if abs(age) >= timedelta(days=1):
        return moment(instant)
    if abs(age) < timedelta(minutes=1):
        return _("just now")
    return format_timedelta(-age, add_direction=True, threshold=1, locale=current_locale())
