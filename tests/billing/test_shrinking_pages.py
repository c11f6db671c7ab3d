"""The page on which a host chooses what stays open on a smaller plan (R-033, J7.4): forms alone, no JavaScript."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from billing import shrinking, views_keep
from billing.models import Subscription
from billing.services import set_tier
from gpuadvisor.core import clock
from portfolios.models import Portfolio
from tests.factories import AlertFactory, ConversationFactory, PortfolioFactory

KEEP = "/settings/plan/keep/"


@pytest.fixture
def seven(host):
    """Seven portfolios of a professional who is on individual from now on."""
    set_tier(host, "professional")
    rows = [PortfolioFactory(user=host, name=f"Place {n}") for n in range(7)]
    set_tier(host, "individual")
    return rows


def end_grace(host):
    Subscription.objects.filter(user=host).update(grace_until=clock.now() - timedelta(seconds=1))
    shrinking.settle_due()


def ticked(response):
    """The names of the rows whose box is ticked."""
    found = re.findall(r'id="keep-([^"]+)" checked>', response.content.decode())
    return sorted(Portfolio.objects.filter(pk__in=found).values_list("name", flat=True))


def keep(client, *rows, what="portfolios", **more):
    return client.post(KEEP, {"what": what, "keep": [str(getattr(row, "pk", row)) for row in rows]}, **more)


def opened(host):
    return sorted(Portfolio.objects.filter(user=host).writable().values_list("name", flat=True))


def test_in_the_grace_it_says_what_counts_what_closes_and_when(host_client, host, seven):
    response = host_client.get(KEEP)
    text = response.content.decode()
    until = Subscription.objects.get(user=host).grace_until
    assert f"{until:%b} {until.day}, {until.year}" in text
    assert "You have 7, your plan holds 3." in text
    assert ticked(response) == ["Place 0", "Place 1", "Place 2"]  # the oldest, where nothing is chosen
    assert "Read-only</span>" not in text


def test_a_choice_is_kept_and_holds_when_the_grace_ends(host_client, host, seven):
    for _sent_twice in range(2):
        assert keep(host_client, seven[1], seven[6]).status_code == 302
    assert ticked(host_client.get(KEEP)) == ["Place 0", "Place 1", "Place 6"]
    assert len(opened(host)) == 7
    end_grace(host)
    assert opened(host) == ["Place 0", "Place 1", "Place 6"]


def test_after_the_grace_another_choice_holds_at_once(host_client, host, seven):
    end_grace(host)
    assert host_client.get(KEEP).content.decode().count("Read-only") == 4
    keep(host_client, seven[4], seven[5], seven[6])
    assert opened(host) == ["Place 4", "Place 5", "Place 6"]


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ("too many", "Your plan holds 3: choose fewer."),
        ("of a stranger", "not there any more"),
        ("no key", "not there any more"),
        ("of no limit", "not there any more"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_nothing_is_saved(host_client, host, seven, stranger, sent, sentence):
    rows = {"too many": seven[:4], "of a stranger": [PortfolioFactory(user=stranger)], "no key": ["'; --"]}
    response = keep(host_client, *rows.get(sent, []), what="tokens_a_day" if sent == "of no limit" else "portfolios")
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert Subscription.objects.get(user=host).kept == {}
    if sent == "too many":
        assert ticked(response) == ["Place 0", "Place 1", "Place 2", "Place 3"]  # as it was sent


def test_where_all_fits_there_is_nothing_to_choose(host_client, host):
    assert "there is nothing to choose" in host_client.get(KEEP).content.decode()


def test_every_limit_has_its_own_form_with_its_own_words(host_client, host, seven):
    for _n in range(6):
        AlertFactory(user=host)
        ConversationFactory(user=host)
    set_tier(host, "free")
    end_grace(host)
    text = host_client.get(KEEP).content.decode()
    assert [text.count(f'value="{what}"') for what in ("portfolios", "alerts", "conversations")] == [1, 1, 1]
    assert (text.count("Paused</span>"), text.count("Read-only</span>")) == (3, 7)
    assert text.count('type="radio"') == 7  # one of seven
    assert keep(host_client, what="alerts").status_code == 302


def test_of_many_rows_what_is_kept_stands_on_every_page(host_client, host, seven, monkeypatch):
    monkeypatch.setattr(views_keep, "SHOWN", 2)
    keep(host_client, seven[0], seven[1], seven[2])
    first = host_client.get(KEEP)
    assert [f"Place {n}" in first.content.decode() for n in range(7)] == [True, True, True, False, False, True, True]
    (more,) = re.findall(r'href="\?(portfolios=[^"]+)"', first.content.decode())
    second = host_client.get(f"{KEEP}?{more}")
    assert [f"Place {n}" in second.content.decode() for n in range(7)] == [True, True, True, True, True, False, False]
    assert ticked(second) == ["Place 0", "Place 1", "Place 2"]
    assert host_client.get(f"{KEEP}?portfolios=nonsense").status_code == 200


def test_as_many_queries_for_seventy_rows_as_for_seven(host_client, host, seven, django_assert_max_num_queries):
    def queries():
        with django_assert_max_num_queries(40) as found:
            host_client.get(KEEP)
        return len(found)

    queries()
    few = queries()
    for n in range(63):
        PortfolioFactory(user=host, name=f"More {n}")
    assert queries() == few


def test_pages_of_lists_and_plans_lead_there(host_client, seven):
    for url in (reverse("billing:plan"), reverse("portfolios:list")):
        assert f'href="{KEEP}"' in host_client.get(url).content.decode()


def test_who_is_signed_out_comes_back_to_it(client, db):
    assert client.get(KEEP).url.endswith(f"?next={KEEP}")
    assert client.post(KEEP, {"what": "portfolios"}).status_code == 302
