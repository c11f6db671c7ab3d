"""How often a program may ask: counted in the database, exact also for parallel requests and without Redis."""

from __future__ import annotations

from gpuadvisor.core import allowance

from .middleware import Allowance
from .problems import Problem

HOUR = 3600


def charge(who: str, *, most: int) -> Allowance:
    """One request less for `who`, of `most` an hour.

    Raises: Problem 429 once nothing is left, with what the answer must say about it.
    """
    used, reset = allowance.spend(f"api:{who}", most=most, seconds=HOUR)
    left = Allowance(limit=most, remaining=max(0, most - used), reset=reset)
    if used > most:
        headers = {**left.headers, "Retry-After": str(reset)}
        raise Problem(429, f"{most:,} requests an hour are allowed here: try again in {reset} s.", headers=headers)
    return left
