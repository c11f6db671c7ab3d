"""What the pages on platforms show: what each allows a host to do, and what it told lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.core import clock, formats
from market import selectors
from market.cache import kept
from market.models import GPUModel, Platform
from market.selectors.now import Basis, MarketNow
from market.selectors.places import Spoken, aged, platforms_speaking
from market.sources import SOURCES


@dataclass(frozen=True, slots=True)
class PlatformFacts:
    """One row of the table of platforms, as staff keep it."""

    slug: str
    name: str
    website: str
    status: str
    open_to_new_hosts: bool
    host_sets_ondemand_price: bool
    host_sets_spot_floor: bool
    publishes_utilization: bool
    fee_percentage: Decimal | None
    fee_rules: str
    checked_date: date | None
    notes: str

    @property
    def is_reference(self) -> bool:
        return self.status == Platform.Status.REFERENCE

    @property
    def status_words(self) -> str:
        return str(Platform.Status(self.status).label)

    @property
    def status_level(self) -> str:
        return {"active": "ok", "legacy": "warn", "closed": "bad"}.get(self.status, "")

    @property
    def who_sets(self) -> str:
        """Who decides the price, in words."""
        if self.host_sets_ondemand_price and not self.is_reference:
            return _("the host")
        return _("the platform")

    @property
    def sets_floor_alone(self) -> bool:
        """Whether all that a host decides is the lowest bid that is taken for interruptible rental."""
        return self.host_sets_spot_floor and not self.host_sets_ondemand_price and not self.is_reference

    def fee_words(self, basis: Basis | None = None) -> str:
        """The fee in one word or two; `fee_rules` say the rest."""
        if basis == "host_net":
            return _("already off")
        if self.is_reference:
            return formats.DASH
        return _("unknown") if self.fee_percentage is None else formats.percent(self.fee_percentage)

    @property
    def is_fee_estimated(self) -> bool:
        """Whether its rules let the fee differ by contract, kind of order or payment: then it is a starting value."""
        return bool(self.fee_percentage and self.fee_rules) and not self.is_reference

    def fee_for(self, basis: Basis) -> Decimal | None:
        """The part of a price of `basis` that the platform keeps, in percent; None where unknown or not hostable."""
        if self.is_reference:
            return None
        return Decimal(0) if basis == "host_net" else self.fee_percentage


def platform_facts() -> dict[str, PlatformFacts]:
    """Every platform by its slug, in the order of their names."""

    def ask() -> dict[str, PlatformFacts]:
        names = list(PlatformFacts.__slots__)
        return {row[0]: PlatformFacts(*row) for row in Platform.objects.order_by("name").values_list(*names)}

    return kept("platform-facts", ask, seconds=600)


def basis_words(basis: Basis) -> str:
    """What a price of `basis` is, in words."""
    return {
        "ask": _("median asking price, as the renter pays"),
        "list": _("list price, as the renter pays"),
        "host_net": _("average, net to the host"),
    }[basis]


def short_basis(basis: Basis) -> str:
    """The same in a few words, for a table."""
    return {"ask": _("median ask"), "list": _("list price"), "host_net": _("average, net to the host")}[basis]


@dataclass(frozen=True, slots=True)
class PlatformRow:
    """One line of the list of platforms: its facts, and what it told lately where it did."""

    facts: PlatformFacts
    spoken: Spoken | None
    source: str

    @property
    def fee(self) -> str:
        return self.facts.fee_words("host_net" if self.spoken and self.spoken.price_basis == "host_net" else None)


def source_of(platform: str, spoken: Spoken | None) -> str:
    """The title of the source that a platform's figures come from; empty where none tells of it."""
    if spoken is not None and spoken.source in SOURCES:
        return SOURCES[spoken.source].title
    leads = (s for s in SOURCES.values() if s.platform == platform and not s.stands_in_for and s.origin == "live")
    leader = next(leads, None)
    return leader.title if leader else ""


STATUS_ORDER = ("active", "legacy", "reference", "closed")


def platform_rows() -> list[PlatformRow]:
    """Every platform: those a host may join first, then those that told most."""
    spoken = kept(f"platforms-speaking:{selectors.current_origin()}", platforms_speaking)
    rows = [
        PlatformRow(facts, spoken.get(slug), source_of(slug, spoken.get(slug)))
        for slug, facts in platform_facts().items()
    ]

    def order(row: PlatformRow) -> tuple[int, bool, int, str]:
        told = row.spoken.models if row.spoken else 0
        return STATUS_ORDER.index(row.facts.status), not row.facts.open_to_new_hosts, -told, row.facts.name.casefold()

    return sorted(rows, key=order)


def models_on(platform: str) -> list[MarketNow]:
    """What one platform tells of each model of the catalog now, by name; hidden figures left out."""

    def ask() -> list[MarketNow]:
        names = list(GPUModel.objects.values_list("name", flat=True))
        return list(selectors.market_now(names, platform=platform).values())

    now = clock.now()
    told = (aged(row, now) for row in kept(f"models-on:{selectors.current_origin()}:{platform}", ask))
    return sorted((row for row in told if not row.is_hidden), key=lambda row: row.gpu_model.casefold())


def description_of(facts: PlatformFacts, models: int) -> str:
    """One sentence for search engines."""
    parts = [facts.status_words, _("open to new hosts") if facts.open_to_new_hosts else _("not open to new hosts")]
    parts.append(_("price set by %(who)s") % {"who": facts.who_sets})
    if facts.fee_percentage is not None and not facts.is_reference:
        parts.append(_("fee %(fee)s") % {"fee": facts.fee_words()})
    if models:
        parts.append(
            ngettext("%(n)s GPU model with figures now", "%(n)s GPU models with figures now", models) % {"n": models}
        )
    return f"{facts.name}: {', '.join(parts)}."
