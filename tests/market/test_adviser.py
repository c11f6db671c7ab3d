"""What the advisor is told of the market: the figures of the model's page."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from gpuadvisor.core import advising, clock
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.partitions import ensure_months
from market.cache import forget_market
from market.models import GPUModel, MarketData
from market.pages import model as page
from market.pages import sides
from market.pages.platforms import platform_facts
from tests.factories import GPUModelFactory, MarketDataFactory, PlatformFactory
from tests.market.model_pages import told

D = Decimal


def ask(**arguments):
    """What the tool tells, in a transaction that refuses writes, as the chat asks it."""
    tool = advising.tools()["market_of_gpu"]
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("set transaction read only")
        return tool.run(None, tool.arguments(**arguments))


@pytest.fixture
def card(db):
    PlatformFactory()
    return GPUModelFactory()


def test_the_market_of_a_model_is_that_of_its_page(card):
    """F10: the place, every platform beside it, and each as-of."""
    PlatformFactory(slug="clore", name="Clore.ai", fee_percentage=D("10"))
    told(offer_count=320, indicators={"demand_score": 63})
    told(platform="clore", median_price=D("0.51"), offer_count=40)
    result = ask(gpu_model="rtx-4090")
    places = page.model_places("RTX 4090", "rtx-4090", clock.now())
    lines = {f"{line.place.platform}_global": line for line in sides.platforms_of(places, platform_facts())}
    assert [row.id for row in result.rows] == ["vast_global", "clore_global"]
    for row in result.rows:
        line = lines[row.id]
        for name, value in (
            ("median", line.place.price),
            ("p10", line.place.p10),
            ("p90", line.place.p90),
            ("rented", line.place.rented_percentage),
            ("offers", line.place.offer_count),
            ("gpus", line.place.gpu_count),
            ("per_day", line.per_day),
        ):
            assert row.cells[name].value == value
            assert row.cells[name].as_of == line.place.as_of
    assert result.rows[1].cells["fee"].value == D("10")
    assert result.as_of == places[0].as_of


def test_a_move_is_told_where_its_past_is_on_record_and_unknown_elsewhere(card):
    told(median_price=D("0.60"))
    row = MarketData.objects.get()
    at = row.data_timestamp - timedelta(days=7)
    ensure_months(MarketData, at.date(), clock.today())
    MarketDataFactory(
        median_price=D("0.50"),
        average_utilization=D("61"),
        origin=row.origin,
        data_timestamp=at,
        demand_indicators=row.demand_indicators,
    )
    forget_market()
    cells = ask(gpu_model="RTX 4090").rows[0].cells
    assert (cells["median_7d_ago"].value, cells["median_change_7d"].value) == (D("0.50"), 20)
    assert (cells["rented_change_7d"].value, cells["rented_change_7d"].unit) == (10, "points")
    assert (cells["median_change_30d"].value, cells["median_change_30d"].quality) == (None, "unknown")
    assert cells["median_change_30d"].missing


def test_what_nobody_tells_stays_unknown(card):
    """R-017: without any figures, and where the platform tells no rented share."""
    (row,) = ask(gpu_model="RTX 4090").rows
    assert (row.cells["median"].value, row.cells["median"].quality) == (None, "unknown")
    told(average_utilization=None)
    forget_market()
    (row,) = ask(gpu_model="RTX 4090").rows
    assert (row.cells["rented"].value, row.cells["rented"].quality) == (None, "unknown")
    assert row.cells["rented"].missing


def test_a_name_is_taken_leniently_and_never_guessed(card):
    GPUModelFactory(name="RTX 4090 D")
    for words in ("RTX 4090", "rtx4090", "rtx-4090", "  RTX 4090 "):
        assert ask(gpu_model=words).rows[0].title.startswith("RTX 4090")
    with pytest.raises(DomainError) as error:
        ask(gpu_model="4090")
    assert error.value.code == "ambiguous"
    assert "RTX 4090 D" in error.value.user_message
    for words in ("RTX 4091", "\x00", "'; drop table users", "x" * 200, "-"):
        with pytest.raises(DomainError):
            ask(gpu_model=words)


def test_a_platform_or_region_that_is_none_is_refused_with_what_there_is(card):
    told()
    assert ask(gpu_model="RTX 4090", platform="VAST.AI", region="se").notes[0].startswith("Nobody tells")
    with pytest.raises(DomainError) as error:
        ask(gpu_model="RTX 4090", platform="nowhere")
    assert "Vast.ai" in error.value.user_message
    with pytest.raises(DomainError):
        ask(gpu_model="RTX 4090", region="Atlantis")


def test_asking_why_of_a_model_opens_its_market(card):
    told()
    found = advising.subject(None, "market", "rtx-4090")
    assert found.question.endswith("?")
    assert ask(**found.arguments).rows
    for key in ("", "rtx-4091", "\x00", "RTX 4090", "x" * 300):
        assert advising.subject(None, "market", key) is None


def test_as_many_queries_for_many_models_and_platforms(card):
    told()

    def count():
        forget_market()
        with CaptureQueriesContext(connection) as queries:
            ask(gpu_model="RTX 4090")
        return len(queries)

    count()
    few = count()
    for number in range(5):
        PlatformFactory(slug=f"p{number}", name=f"P {number}")
        told(platform=f"p{number}")
    GPUModel.objects.bulk_create(
        GPUModel(name=f"GPU {n}", slug=f"gpu-{n}", manufacturer="X", memory_gb=8, base_power_consumption=100)
        for n in range(20)
    )
    assert count() == few
