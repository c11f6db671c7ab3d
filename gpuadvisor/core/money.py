"""Money is Decimal US dollars: rates keep four places, amounts two."""

from decimal import ROUND_HALF_UP, Decimal

RATE_PLACES = Decimal("0.0001")
AMOUNT_PLACES = Decimal("0.01")


def rate(value: Decimal) -> Decimal:
    """A rate in USD per GPU-hour, rounded half up to four places."""
    return value.quantize(RATE_PLACES, ROUND_HALF_UP)


def amount(value: Decimal) -> Decimal:
    """An amount in USD, rounded half up to the cent."""
    return value.quantize(AMOUNT_PLACES, ROUND_HALF_UP)
