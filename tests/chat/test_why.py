""" "Ask why" beside a figure opens a conversation that holds it (R-018)."""

import re

import pytest
from django.urls import reverse

from chat.models import Message
from tests.factories import (
    GPUConfigurationFactory,
    InsightFactory,
    PerformanceMetricFactory,
    PortfolioFactory,
    SuggestionFactory,
)


def why(kind, key):
    return reverse("chat:why", kwargs={"kind": kind, "key": key})


@pytest.fixture
def keys(host):
    gpu = GPUConfigurationFactory(portfolio__user=host, custom_name="rig-01")
    return {
        "kpi": "net:7d",
        "insight": InsightFactory(analytics__user=host).pk,
        "suggestion": SuggestionFactory(gpu_configuration=gpu).pk,
        "gpu": gpu.pk,
        "me_or_market": f"7d:{gpu.portfolio.pk}",
    }


@pytest.mark.parametrize("kind", ["kpi", "insight", "suggestion", "gpu", "me_or_market"])
def test_the_page_shows_the_question_and_asks_nothing_yet(host_client, keys, kind):
    page = host_client.get(why(kind, keys[kind]))
    text = re.search(r"<textarea[^>]*>([^<]+)</textarea>", page.content.decode())[1]
    assert text.endswith("?")
    assert "Your question is about" in page.content.decode()
    assert not Message.objects.exists()


@pytest.mark.parametrize("kind", ["kpi", "insight", "suggestion", "gpu", "me_or_market"])
def test_sending_opens_a_conversation_that_holds_what_it_is_about(host_client, keys, kind):
    response = host_client.post(why(kind, keys[kind]), {"text": "Why?"})
    assert response.status_code == 302
    subject = Message.objects.get(role="user").metadata["subject"]
    assert (subject["kind"], subject["key"]) == (kind, str(keys[kind]))
    assert subject["tool"]


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("kpi", "no-such-kpi"),
        ("kpi", "net:01a20000-0000-7000-8000-000000000000"),
        ("insight", "x"),
        ("gpu", "x" * 300),
        ("nothing", "1"),
        ("me_or_market", "7d:a:b"),
    ],
)
def test_what_points_at_nothing_is_not_found(host_client, kind, key):
    assert host_client.get(why(kind, key)).status_code == 404
    assert host_client.post(why(kind, key), {"text": "Why?"}).status_code == 404


@pytest.mark.parametrize("kind", ["insight", "suggestion", "gpu", "me_or_market"])
def test_another_hosts_thing_is_not_found(client, stranger, keys, kind):
    client.force_login(stranger)
    assert client.get(why(kind, keys[kind])).status_code == 404


def test_a_refused_question_stays_with_its_subject(host_client, keys):
    page = host_client.post(why("gpu", keys["gpu"]), {"text": ""})
    assert page.status_code == 422
    assert "Your question is about" in page.content.decode()


def test_pages_lead_to_it(host_client, host):
    gpu = GPUConfigurationFactory(portfolio=PortfolioFactory(user=host), custom_name="rig-01")
    PerformanceMetricFactory(gpu_configuration=gpu)
    suggestion = SuggestionFactory(gpu_configuration=gpu)
    pages = {
        reverse("portfolios:dashboard"): why("kpi", "occupancy:7d"),
        reverse("portfolios:kpis"): why("kpi", "net:7d"),
        f"{reverse('portfolios:kpis')}?portfolio={gpu.portfolio.pk}": why("kpi", f"net:{gpu.portfolio.pk}:7d"),
        f"{reverse('portfolios:kpis')}?gpu={gpu.pk}": why("kpi", f"net:gpu:{gpu.pk}:7d"),
        reverse("portfolios:suggestions"): why("suggestion", suggestion.pk),
        reverse("portfolios:suggestion", kwargs={"pk": suggestion.pk}): why("suggestion", suggestion.pk),
        reverse("portfolios:gpu", kwargs={"pk": gpu.pk}): why("gpu", gpu.pk),
    }
    for page, link in pages.items():
        assert link in host_client.get(page).content.decode(), page
        assert host_client.get(link).status_code == 200, link
