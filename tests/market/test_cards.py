"""The pictures of link previews: of figures alone, drawn once, of the size that is wanted."""

from __future__ import annotations

import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.cache import caches
from django.urls import reverse
from PIL import Image, ImageFont

from gpuadvisor.core import clock
from market.cache import forget_market
from market.cards import CardText, draw_card, drawable
from market.views import cards
from tests.factories import GPUModelFactory, MarketDataFactory, PlatformFactory

D = Decimal
pytestmark = pytest.mark.django_db


@pytest.fixture
def card(db):
    PlatformFactory()
    return GPUModelFactory()


def picture(response):
    assert response.status_code == 200
    assert response["Content-Type"] == "image/png"
    return Image.open(io.BytesIO(response.content))


def recent(minutes=3):
    return clock.now() - timedelta(minutes=minutes)


def of_model(client, **headers):
    return client.get(reverse("market:gpu-card", args=["rtx-4090"]), headers=headers)


def test_a_card_is_1200_by_630_small_and_may_be_kept_by_anybody(client, card):
    MarketDataFactory(data_timestamp=recent())
    for name, args in (("market:gpu-card", ["rtx-4090"]), ("market:card", [])):
        response = client.get(reverse(name, args=args))
        assert picture(response).size == (1200, 630)
        assert len(response.content) < 60_000
        assert "public" in response["Cache-Control"]
        assert "max-age=900" in response["Cache-Control"]


def test_a_card_says_the_figures_and_where_they_come_from(client, card):
    MarketDataFactory(data_timestamp=recent())
    text = cards._text("rtx-4090")
    assert (text.title, text.figure, text.unit, text.badge) == ("RTX 4090", "$0.64", "per GPU-hour, median", "")
    assert list(text.facts) == [("p10 to p90", "$0.32 – $0.87"), ("Rented", "71%")]
    assert text.foot.startswith("Vast.ai, source: 500.farm machines, as of ")
    assert text.share == pytest.approx(0.71)


def test_a_simulated_market_is_on_the_card(client, card):
    MarketDataFactory(data_timestamp=recent(), origin="simulated", demand_indicators={"source": "simulated"})
    assert cards._text("rtx-4090").badge == "Simulated market"
    assert cards._text(None).badge == "Simulated market"


def test_old_and_hidden_figures_are_told_on_the_card(client, card):
    """R-034: a picture that is shown elsewhere has the age of its figures on it."""
    row = MarketDataFactory(data_timestamp=recent(45))
    assert cards._text("rtx-4090").badge == "old figures"
    row.delete()
    MarketDataFactory(data_timestamp=recent(60 * 25))
    forget_market()
    text = cards._text("rtx-4090")
    assert (text.figure, text.badge) == ("", "")
    assert text.foot.startswith("No current figures: the last ones are of ")


def test_a_model_without_figures_has_a_card_without_figures(client, card):
    text = cards._text("rtx-4090")
    assert (text.figure, text.share) == ("", None)
    assert text.foot == "No figures of this model yet."
    picture(of_model(client))


def test_an_unknown_model_has_no_card(client, card):
    assert client.get(reverse("market:gpu-card", args=["rtx-9"])).status_code == 404


def test_a_card_is_not_sent_twice_and_not_drawn_twice(client, card, monkeypatch):
    row = MarketDataFactory(data_timestamp=recent())
    drawn = []
    monkeypatch.setattr(cards, "draw_card", lambda text: drawn.append(text) or draw_card(text))
    first = of_model(client)
    assert of_model(client, **{"If-None-Match": first["ETag"]}).status_code == 304
    assert of_model(client).content == first.content
    assert len(drawn) == 1
    row.median_price = D("0.70")
    row.save()
    forget_market()
    second = of_model(client, **{"If-None-Match": first["ETag"]})
    assert second.status_code == 200
    assert second["ETag"] != first["ETag"]
    assert len(drawn) == 2


def test_a_card_is_drawn_while_the_cache_is_away(client, card, monkeypatch):
    MarketDataFactory(data_timestamp=recent())
    caches["pages"].clear()
    picture(of_model(client))


def test_the_language_of_a_reader_does_not_change_the_one_picture(client, card):
    MarketDataFactory(data_timestamp=recent())
    assert of_model(client)["ETag"] == of_model(client, **{"Accept-Language": "en-GB"})["ETag"]


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("$0.32 – $0.87", "$0.32 - $0.87"),
        ("3:00\u202fAM", "3:00 AM"),
        ("Łódź é", "odz e"),
        ("…", "..."),
        ("显卡\x00\n", ""),
    ],
    ids=["dash", "narrow-space", "accents", "dots", "none"],
)
def test_only_letters_that_the_font_has_are_drawn(text, spelled):
    assert drawable(text) == spelled


def test_the_font_has_every_letter_that_is_drawn():
    font = ImageFont.load_default(40)
    missing = bytes(font.getmask("\ufffe"))
    for letter in map(chr, range(33, 127)):
        assert bytes(font.getmask(letter)) != missing, letter


@pytest.mark.parametrize("title", ["", "A" * 400, "RTX PRO 6000 Blackwell Server Edition 96 GB of a very long name"])
def test_any_length_fits(title):
    facts = [("p10 to p90", "$0.32 – $0.87 " * 9), ("Rented", "100%")]
    long = CardText(
        "GPU Advisor", title, "$9,999.99", "per GPU-hour, net to the host", facts, "x" * 300, "Simulated", 1.0
    )
    assert Image.open(io.BytesIO(draw_card(long))).size == (1200, 630)
