"""What each plan allows: data only. None means without limit (R-030, R-031, R-032)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Limits of one plan. Units: counts of rows of one user, but `messages` counts one conversation's own messages."""

    portfolios: int | None
    conversations: int | None
    messages: int | None
    alerts: int | None


PLANS = {
    "free": Plan(portfolios=1, conversations=5, messages=50, alerts=3),
    "individual": Plan(portfolios=3, conversations=50, messages=500, alerts=None),
    "professional": Plan(portfolios=None, conversations=None, messages=None, alerts=None),
    "enterprise": Plan(portfolios=None, conversations=None, messages=None, alerts=None),
}
