"""What each plan allows: data only. None means without limit (R-030, R-031, R-032)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Limits of one plan. Units: counts of rows of one user, but `messages` counts one conversation's own messages and
    `tokens_a_day` what the advisor's language model may read and write on one UTC day."""

    portfolios: int | None
    conversations: int | None
    messages: int | None
    alerts: int | None
    tokens_a_day: int


PLANS = {
    "free": Plan(portfolios=1, conversations=5, messages=50, alerts=3, tokens_a_day=20_000),
    "individual": Plan(portfolios=3, conversations=50, messages=500, alerts=None, tokens_a_day=200_000),
    "professional": Plan(portfolios=None, conversations=None, messages=None, alerts=None, tokens_a_day=1_000_000),
    "enterprise": Plan(portfolios=None, conversations=None, messages=None, alerts=None, tokens_a_day=5_000_000),
}
