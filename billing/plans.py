"""What each plan allows and costs: data only. None means without limit, or without a price (R-030, R-031, R-032)."""

from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrPromise


@dataclass(frozen=True)
class Plan:
    """Limits and prices of one plan.

    Units: counts of rows of one user, but `messages` counts one conversation's own messages and `tokens_a_day` what the
    advisor's language model may read and write on one UTC day. Prices in USD, a month or a year at once; None: by
    agreement.
    """

    title: StrPromise
    for_whom: StrPromise
    portfolios: int | None
    conversations: int | None
    messages: int | None
    alerts: int | None
    tokens_a_day: int
    price_month: Decimal | None = None
    price_year: Decimal | None = None

    @property
    def price_of_a_month_by_year(self) -> Decimal | None:
        """What a month costs where a year is paid at once, in USD."""
        return self.price_year / 12 if self.price_year else None


@dataclass(frozen=True)
class Limit:
    """How pages name what a field of Plan limits."""

    title: StrPromise
    about: StrPromise


PLANS = {
    "free": Plan(
        title=_("Free"),
        for_whom=_("One rig at home, to see what it earns."),
        portfolios=1,
        conversations=5,
        messages=50,
        alerts=3,
        tokens_a_day=20_000,
        price_month=Decimal(0),
        price_year=Decimal(0),
    ),
    "individual": Plan(
        title=_("Individual"),
        for_whom=_("A few places, each with its own price of electricity."),
        portfolios=3,
        conversations=50,
        messages=500,
        alerts=None,
        tokens_a_day=200_000,
        price_month=Decimal(9),
        price_year=Decimal(90),
    ),
    "professional": Plan(
        title=_("Professional"),
        for_whom=_("Hosts who live from it, with as many places as they like."),
        portfolios=None,
        conversations=None,
        messages=None,
        alerts=None,
        tokens_a_day=1_000_000,
        price_month=Decimal(29),
        price_year=Decimal(290),
    ),
    "enterprise": Plan(
        title=_("Enterprise"),
        for_whom=_("Companies that ask the advisor all day."),
        portfolios=None,
        conversations=None,
        messages=None,
        alerts=None,
        tokens_a_day=5_000_000,
    ),
}
LIMITS = {
    "portfolios": Limit(_("Portfolios in use"), _("Planned and archived ones do not count.")),
    "alerts": Limit(_("Alert rules"), _("Paused ones count, too.")),
    "conversations": Limit(_("Conversations"), _("With the advisor; archived ones count, too.")),
    "messages": Limit(_("Questions in each"), _("Your own questions in one conversation; answers do not count.")),
    "tokens_a_day": Limit(
        _("Tokens a day"),
        _("What the advisor's language model may read and write on one UTC day. Answers by built-in rules take none."),
    ),
}
PAID = ("individual", "professional")
INTERVALS = ("month", "year")
TRIAL_TIER, TRIAL_DAYS = "professional", 14  # once for each account, without a card
GRACE_DAYS = 31  # until then all that a smaller plan has no room for goes on as it was


def lookup_key(tier: str, interval: str) -> str:
    """The name by which the payment provider's prices are found, whatever ids they have there."""
    return f"gpuadvisor_{tier}_{interval}"


def is_above(tier: str, other: str) -> bool:
    """Whether `tier` is the larger of the two plans."""
    order = list(PLANS)
    return order.index(tier) > order.index(other)
