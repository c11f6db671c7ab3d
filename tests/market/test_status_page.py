"""Method and state of the data: what every source does, what is left out and why, in one color."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from gpuadvisor.core import clock
from market.cache import forget_market
from market.models import Quarantine, SourceRun
from market.pages import status as pages
from market.quality import RULES
from market.sources import SOURCES
from tests.factories import MarketDataFactory, PlatformFactory

LEADERS = ["500farm_machines", "runpod", "salad", "clore", "akash"]


@pytest.fixture
def live(db, settings):
    """A market that answers: every leader gave a document some minutes ago."""
    settings.MARKET_SOURCES = LEADERS
    settings.MARKET_SIMULATION = False
    PlatformFactory()
    MarketDataFactory(data_timestamp=ago(3))
    for name in LEADERS:
        run(name)
    forget_market()


def ago(minutes):
    return clock.now() - timedelta(minutes=minutes)


def run(source, minutes=3, status="ok", **fields):
    started = ago(minutes)
    return SourceRun.objects.create(source=source, status=status, started_at=started, finished_at=started, **fields)


def quarantine(source, rule, subject, scope="row", **fields):
    now = clock.now()
    return Quarantine.objects.create(
        source=source,
        platform="vast",
        scope=scope,
        rule=rule,
        subject=subject,
        reason="because",
        observed_at=now,
        first_seen_at=now,
        last_seen_at=now,
        **fields,
    )


def page_of(client):
    response = client.get(reverse("market:status"))
    assert response.status_code == 200
    return response.content.decode()


def text_of(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def line_of(html, title):
    """The row of one source, as text."""
    start = html.index(title, html.index("<tbody"))
    return text_of(html[start : html.index("</tr>", start)])


def test_every_source_that_we_know_stands_there(client, live):
    """R-034: each source with its last success and age; those that are off say why."""
    html = page_of(client)
    for name, source in SOURCES.items():
        assert (source.title in html) == (name != "simulated")
    assert "3 minutes ago" in line_of(html, "500.farm machines")
    assert "Answers" in line_of(html, "500.farm machines")
    assert "Off" in line_of(html, "gpurentalprices.com")


def test_a_source_without_its_key_names_the_setting(client, live, settings):
    settings.MARKET_SOURCES = [*LEADERS, "lambda"]
    settings.LAMBDA_API_KEY = ""
    forget_market()
    assert "Off: needs a key LAMBDA_API_KEY" in line_of(page_of(client), "Lambda instance types")
    settings.LAMBDA_API_KEY = "not-a-real-key"
    forget_market()
    html = page_of(client)
    assert "Not asked yet" in line_of(html, "Lambda instance types")
    assert "not-a-real-key" not in html


def test_all_well_is_green(client, live):
    assert pages.overall().level == "ok"
    assert "Every source that is switched on answers" in page_of(client)


def test_a_held_batch_turns_the_page_amber_and_says_since_when_figures_stand_still(client, live):
    """J10.2 and J10.3."""
    SourceRun.objects.filter(source="500farm_machines").delete()
    good = run("500farm_machines", 50)
    run("500farm_machines", 20, "failed", is_held=True, error="held")
    run("500farm_machines", 5, "failed", is_held=True, error="held")
    quarantine("500farm_machines", "offers_lost", "a" * 64, scope="batch")
    forget_market()
    overall = pages.overall()
    assert overall.level == "warn"
    assert overall.since == good.started_at
    html = page_of(client)
    line = line_of(html, "500.farm machines")
    assert "They are held back" in html
    assert "Figures stand still since" in text_of(html)
    assert "Held back since 20 minutes ago More than 60 % of the offers vanished at once" in line
    assert "1 good, 0 failed, 2 held back" in line
    assert "a" * 64 not in html


def test_a_failing_source_is_amber_and_keeps_its_last_good_answer(client, live):
    """R-034: one that fails says since when."""
    SourceRun.objects.filter(source="runpod").delete()
    run("runpod", 120)
    run("runpod", 60, "failed", error="<b>secret host name</b>")
    run("runpod", 30, "failed", error="<b>secret host name</b>")
    forget_market()
    html = page_of(client)
    assert pages.overall().level == "warn"
    assert "Failing since 1 hour ago 2 hours ago older than two refreshes" in line_of(html, "RunPod")
    assert "secret host name" not in html


def test_a_late_source_is_amber(client, live):
    SourceRun.objects.filter(source="clore").update(started_at=ago(61))
    forget_market()
    assert pages.overall().level == "warn"
    assert "Late" in line_of(page_of(client), "Clore.ai marketplace")


def test_a_document_told_again_and_again_gets_no_younger(client, live):
    """R-034, fault 11: a source with a clock of its own is as old as its newest document, not as its last answer."""
    SourceRun.objects.filter(source="500farm_machines").delete()
    run("500farm_machines", 60 * 20, observed_at=ago(60 * 20))
    for minutes in (30, 15, 3):
        run("500farm_machines", minutes, "unchanged")
    run("500farm_machines", 2, observed_at=ago(60 * 22))  # one that was released: it is older still
    forget_market()
    (report,) = [report for report in pages.reports() if report.name == "500farm_machines"]
    assert (report.state, report.is_stale, report.is_hidden) == ("late", True, False)
    overall = pages.overall()
    assert (overall.level, overall.since) == ("warn", report.told_at)
    assert report.told_at == SourceRun.objects.order_by("started_at").first().observed_at
    html = page_of(client)
    assert "Late 2 minutes ago with figures of 20 hours ago older than two refreshes" in line_of(html, "500.farm mach")
    SourceRun.objects.filter(observed_at__isnull=False).update(observed_at=ago(60 * 25))
    forget_market()
    assert pages.overall().level == "bad"


def test_a_source_without_a_clock_is_as_young_as_its_answer(live):
    SourceRun.objects.filter(source="runpod").update(observed_at=ago(60 * 20))
    forget_market()
    assert {report.name: report.state for report in pages.reports()}["runpod"] == "answers"


def test_a_source_asked_daily_is_not_late_after_a_day(live, settings):
    """Limits of a source asked daily: 2, 3 and 7 days."""
    settings.MARKET_SOURCES = [*LEADERS, "gpurentalprices"]
    run("gpurentalprices", 60 * 30)
    forget_market()
    assert {report.name: report.state for report in pages.reports()}["gpurentalprices"] == "answers"


def test_hidden_figures_of_a_leader_are_red(client, live):
    SourceRun.objects.filter(source="runpod").delete()
    run("runpod", 60 * 25)
    run("runpod", 60, "failed")
    forget_market()
    overall = pages.overall()
    assert overall.level == "bad"
    assert "RunPod" in overall.sentence
    assert "its figures are hidden" in line_of(page_of(client), "RunPod")


def test_nothing_young_at_all_is_red(client, db, settings):
    settings.MARKET_SOURCES = LEADERS
    settings.MARKET_SIMULATION = False
    assert pages.overall().level == "bad"
    assert "young enough to be shown" in page_of(client)


def test_a_simulated_market_is_red_and_named(client, db, settings):
    settings.MARKET_SOURCES = LEADERS
    settings.MARKET_SIMULATION = True
    MarketDataFactory(data_timestamp=ago(3), origin="simulated", demand_indicators={"source": "simulated"})
    run("simulated")
    html = page_of(client)
    assert pages.overall().level == "bad"
    assert "what is shown is a simulated market" in html
    assert "Simulated market" in line_of(html, "Simulated market")


def test_what_is_left_out_is_counted_by_rule_without_naming_anybodys_offer(client, live):
    """R-037: excluded and why; no ids to the public."""
    SourceRun.objects.filter(source="500farm_machines").update(
        rows_seen=5512,
        offers_used=5300,
        rows_refused=3,
        refusals=[
            {"reason": "price above 5 times the median", "fragment": "machine 777001"},
            {"reason": "price above 5 times the median", "fragment": "machine 777002"},
            {"reason": "GPU name: unknown", "fragment": "machine 777003"},
        ],
    )
    for number in range(3):
        quarantine("500farm_machines", "above_band", f"77700{number}")
    quarantine("500farm_machines", "above_band", "released", decision="released")
    quarantine("500farm_machines", "a_rule_of_tomorrow", "x")
    forget_market()
    html = page_of(client)
    line = line_of(html, "500.farm machines")
    assert "5,512 rows, 3 refused, 5,300 offers in the figures" in line
    assert "Refused: price above 5 times the median (2); GPU name: unknown (1)" in line
    assert f"{RULES['above_band'].title} (3)" in line
    assert "a_rule_of_tomorrow (1)" in line
    assert "7770" not in html


def test_the_hours_of_a_day_are_drawn(client, live):
    run("500farm_machines", 60 * 23, "failed")
    run("500farm_machines", 60 * 30, "failed")
    forget_market()
    (report,) = [report for report in pages.reports() if report.name == "500farm_machines"]
    assert [hour.worst for hour in report.hours] == ["failed", *[""] * 22, "good"]
    assert (report.good, report.failed, report.held) == (1, 1, 0)


def test_a_thousand_runs_ask_as_many_queries_as_ten(client, live):
    def count():
        forget_market()
        with CaptureQueriesContext(connection) as queries:
            page_of(client)
        return len(queries)

    count()  # the first page also asks what all pages ask now and then
    few = count()
    now = clock.now()
    SourceRun.objects.bulk_create(
        SourceRun(source=LEADERS[n % 5], status="ok", started_at=now - timedelta(minutes=5 + n)) for n in range(1000)
    )
    assert count() == few <= 12


def test_the_method_page_holds_every_rule_and_the_limits_of_age(client, db):
    html = client.get(reverse("market:method")).content.decode()
    text = text_of(html)
    for rule in RULES.values():
        assert rule.title in text
    assert "every 15 minutes 30 minutes 12 hours 24 hours" in text
    assert "once a day 2 days 3 days 7 days" in text
    assert "The three never share a line or a figure" in text


@pytest.mark.parametrize("name", ["market:status", "market:method"])
def test_a_signed_in_host_reads_them_too(host_client, live, name):
    assert host_client.get(reverse(name)).status_code == 200
    assert host_client.post(reverse(name)).status_code == 405
