"""What staff decided about quarantined rows, as a document is read by it. No Django."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

RELEASE_HOLDS = Decimal("0.1")  # how far a price may move before staff are asked about it again


class Decisions:
    """What staff decided about rows of one source, by rule, subject and price (ten-thousandths of a USD).

    A confirmation is about one price; a release holds for prices within a tenth of it.
    """

    def __init__(self, decided: Iterable[tuple[str, str, int | None, str]] = ()) -> None:
        self._exact: dict[tuple[str, str, int | None], str] = {}
        self._released: dict[tuple[str, str], list[int]] = {}
        for rule, subject, price, decision in decided:
            self._exact[rule, subject, price] = decision
            if decision == "released" and price is not None:
                self._released.setdefault((rule, subject), []).append(price)

    def exact(self, rule: str, subject: str, price: int | None) -> str | None:
        return self._exact.get((rule, subject, price))

    def find(self, rule: str, subject: str, price: int | None) -> str | None:
        """What holds for this row: the decision about its very price, or a release nearby."""
        if (decision := self.exact(rule, subject, price)) is not None or price is None:
            return decision
        near = (released for released in self._released.get((rule, subject), ()))
        return "released" if any(abs(price - old) <= RELEASE_HOLDS * old for old in near) else None


UNDECIDED = Decisions()
