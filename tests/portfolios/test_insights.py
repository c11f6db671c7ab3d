"""Insights in the table and on their pages (R-020, R-053)."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.cache import caches
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from gpuadvisor.core import clock
from gpuadvisor.core.partitions import ensure_standing_months
from market.models import SourceRun
from portfolios import caching, tasks
from portfolios.analysis import service as analysis
from portfolios.insights import insights_open, pages, service
from portfolios.insights.findings import Evidence, Finding, Money
from portfolios.insights.rules import RULES
from portfolios.models import Analytics, Insight, InsightRuleSetting
from tests.factories import (
    AnalyticsFactory,
    GPUConfigurationFactory,
    InsightFactory,
    PerformanceMetricFactory,
    PortfolioFactory,
    UserFactory,
)
from tests.market.comp_offers import offer, run

Status = Insight.Status


@pytest.fixture
def book(host):
    return {kind: AnalyticsFactory(user=host, metric_type=kind) for kind in Analytics.Type.values}


def idle(gpu, gain=20, share=50):
    return Finding(
        title=f"rented for {share} %",
        description="",
        evidence=(Evidence("Own rented share", Decimal(share), "%"),),
        impact=Money.of(Decimal(gain), Decimal(gain - 5), Decimal(gain + 5)),
        gpu=gpu.pk,
        portfolio=gpu.portfolio_id,
        rule="idle",
    )


def store(host, book, *findings, after=timedelta()):
    service.store(host, findings, book, revenue=Decimal(400), now=clock.now() + after)


def test_what_says_the_same_stays(host, gpu, book):
    store(host, book, idle(gpu))
    first = Insight.objects.get()
    store(host, book, idle(gpu, gain=21, share=51))
    assert Insight.objects.get() == first
    assert Insight.objects.get().title == "rented for 50 %", "what was told is not changed"


def test_what_changed_supersedes_and_the_old_stays_as_it_was_told(host, gpu, book):
    store(host, book, idle(gpu))
    before = Insight.objects.values("title", "description", "impact_estimate", "supporting_data", "created_at").get()
    store(host, book, idle(gpu, gain=60, share=30))
    old, new = Insight.objects.order_by("pk")
    assert (old.status, old.superseded_by, new.status) == (Status.SUPERSEDED, new, Status.OPEN)
    assert old.closed_at is not None
    assert {name: getattr(old, name) for name in before} == before


def test_what_is_no_longer_so_is_closed(host, gpu, book):
    store(host, book, idle(gpu))
    store(host, book)
    assert Insight.objects.get().status == Status.RESOLVED


def test_what_ran_out_is_told_anew_while_it_holds(host, gpu, book):
    store(host, book, idle(gpu))
    store(host, book, idle(gpu), after=timedelta(days=8))
    old, new = Insight.objects.order_by("pk")
    assert (old.status, old.superseded_by) == (Status.SUPERSEDED, new)


def test_what_ran_out_and_nobody_looked_at_is_closed(host, gpu, book):
    store(host, book, idle(gpu))
    assert service.close_expired(clock.now()) == 0
    assert service.close_expired(clock.now() + timedelta(days=8)) == 1
    assert Insight.objects.get().status == Status.RESOLVED
    assert insights_open(host) == []


def test_what_was_dismissed_is_silent_for_30_days_unless_it_matters_more(host, gpu, book):
    store(host, book, idle(gpu, gain=21))
    assert service.dismiss(Insight.objects.get())
    store(host, book, idle(gpu, gain=25))
    assert insights_open(host) == []
    store(host, book, idle(gpu, gain=250), after=timedelta(minutes=1))
    assert [row.priority_level for row in insights_open(host)] == ["critical"]
    assert not service.dismiss(Insight.objects.get(status=Status.DISMISSED)), "it was closed already"


def test_a_dismissed_one_comes_back_after_30_days(host, gpu, book):
    store(host, book, idle(gpu))
    service.dismiss(Insight.objects.get())
    store(host, book, idle(gpu), after=timedelta(days=31))
    assert Insight.objects.filter(status=Status.OPEN).count() == 1


def test_the_most_dollars_come_first_and_archived_portfolios_not_at_all(host, gpu, book):
    analytics = book["utilization"]
    archived = PortfolioFactory(user=host, state="archived", is_active=False)
    for title, impact, priority in (("a", None, "high"), ("b", 5, "low"), ("c", -40, "medium"), ("d", None, "low")):
        InsightFactory(analytics=analytics, title=title, impact_estimate=impact, priority_level=priority)
    InsightFactory(analytics=analytics, impact_estimate=99, portfolio=archived)
    assert [row.title for row in insights_open(host)] == ["c", "b", "a", "d"]


# -- The rules over real rows ------------------------------------------------------------------------------------------
def results(gpu, days=30, **figures):
    today = clock.today()
    for age in range(1, days + 1):
        PerformanceMetricFactory(gpu_configuration=gpu, metric_date=today - timedelta(days=age), **figures)


def test_planned_and_archived_portfolios_have_no_insights(host, model, vast):
    for state in ("planned", "archived"):
        GPUConfigurationFactory(portfolio=PortfolioFactory(user=host, state=state, is_active=False), gpu_model=model)
    analysis.make(host)
    assert not Insight.objects.exists()


def test_a_rule_that_is_switched_off_finds_nothing(host, gpu):
    results(gpu)
    analysis.make(host)
    assert Insight.objects.filter(insight_type="power-price", status=Status.OPEN).exists()
    service.set_rule(host, rule="power-price", is_on=False, threshold=None)
    analysis.make(host)
    assert not Insight.objects.filter(insight_type="power-price", status=Status.OPEN).exists()
    checks = Analytics.objects.get(user=host, metric_type="power").calculated_data["checks"]
    assert checks["power-price"] == {"state": "off"}


def test_another_hosts_figures_are_not_looked_at(host, gpu, foreign_gpu):
    results(foreign_gpu)
    analysis.make(host)
    assert {row.gpu_configuration_id for row in Insight.objects.all()} <= {gpu.pk, None}


def test_facts_are_read_in_as_many_queries_for_ten_gpus_as_for_one(host, gpu, model, django_assert_max_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    results(gpu, 3)
    with CaptureQueriesContext(connection) as one:
        service.look(host)
    for _ in range(9):
        results(GPUConfigurationFactory(portfolio=gpu.portfolio, gpu_model=model), 3)
    with django_assert_max_num_queries(len(one)):
        service.look(host)


# -- Kept for an hour --------------------------------------------------------------------------------------------------
@pytest.fixture
def nudges(monkeypatch):
    asked = []
    monkeypatch.setattr(analysis, "nudge", asked.append)
    return asked


def test_a_page_that_finds_nothing_makes_it(host, gpu, nudges):
    """R-053: lazily."""
    results(gpu)
    book = analysis.book_of(host)
    assert set(book.rows) == set(Analytics.Type.values)
    assert book.is_fresh
    assert not nudges
    assert book.rows["revenue"].calculated_data["windows"]["7d"]["figures"]["revenue"]["value"] is not None


@pytest.mark.parametrize("what", ["time", "figures", "settings"])
def test_a_page_that_finds_an_outdated_one_shows_it_and_asks_for_another(
    host, gpu, nudges, what, django_capture_on_commit_callbacks
):
    analysis.make(host)
    if what == "time":
        Analytics.objects.update(expires_at=clock.now())
    elif what == "figures":
        with django_capture_on_commit_callbacks(execute=True):
            caching.bump(host.pk)
    else:
        service.set_rule(host, rule="idle", is_on=False, threshold=None)
    before = analysis.kept(host).generated_at
    book = analysis.book_of(host)
    assert not book.is_fresh
    assert book.generated_at == before
    assert nudges == [host.pk]


def test_one_row_a_day_and_type_however_often_it_is_made(host, gpu):
    for _ in range(3):
        analysis.make(host)
    assert Analytics.objects.filter(user=host).count() == len(Analytics.Type)


def test_the_job_takes_hosts_who_looked_in_lately_or_whose_figures_came_in(host, gpu, stranger):
    now = clock.now()
    GPUConfigurationFactory(portfolio__user=stranger)
    assert analysis.due(None) == []
    stranger.last_login = now - timedelta(days=3)
    stranger.save(update_fields=["last_login"])
    results(gpu, 2)
    assert set(analysis.due(None)) == {host.pk, stranger.pk}
    assert analysis.make_slice(None) == (2, None)
    assert analysis.due(None) == [], "made a moment ago"


def test_one_host_that_fails_holds_up_nobody(host, gpu, stranger, monkeypatch):
    for user in (host, stranger):
        user.last_login = clock.now()
        user.save(update_fields=["last_login"])
    GPUConfigurationFactory(portfolio__user=stranger)
    make = analysis.make
    monkeypatch.setattr(analysis, "make", lambda user: 1 / 0 if user.pk == host.pk else make(user))
    assert analysis.make_slice(None) == (1, None)


# -- Pages -------------------------------------------------------------------------------------------------------------
PAGES = ["insights", "insights-history", "insights-panel", "checkup", "analytics"]


@pytest.mark.parametrize("name", PAGES)
def test_a_host_without_gpus_sees_no_zero_that_nobody_measured(host_client, name):
    page = host_client.get(reverse(f"portfolios:{name}"))
    assert page.status_code == 200
    assert "$0.00" not in page.content.decode()


@pytest.mark.parametrize("name", PAGES)
def test_a_host_with_one_day_is_told_what_is_missing(host_client, gpu, name):
    results(gpu, 1)
    assert host_client.get(reverse(f"portfolios:{name}")).status_code == 200


@pytest.mark.parametrize("metric", Analytics.Type.values)
@pytest.mark.parametrize("period", ["today", "7d", "30d", "90d", "nonsense"])
def test_every_figure_in_every_period(host_client, gpu, metric, period):
    results(gpu, 40)
    page = host_client.get(reverse("portfolios:analytics"), {"metric": metric, "period": period})
    assert page.status_code == 200
    assert str(Analytics.Type(metric).label) in page.content.decode()


@pytest.mark.parametrize("query", ["portfolio", "gpu"])
def test_a_part_of_the_fleet_is_chosen_and_anothers_is_absent(host_client, gpu, foreign_gpu, query):
    results(gpu, 20)
    mine = {"portfolio": gpu.portfolio_id, "gpu": gpu.pk}[query]
    theirs = {"portfolio": foreign_gpu.portfolio_id, "gpu": foreign_gpu.pk}[query]
    for name in ("analytics", "analytics-csv"):
        assert host_client.get(reverse(f"portfolios:{name}"), {query: mine}).status_code == 200
        assert host_client.get(reverse(f"portfolios:{name}"), {query: theirs}).status_code == 404
        assert host_client.get(reverse(f"portfolios:{name}"), {query: "x"}).status_code == 404


def test_a_finding_is_shown_with_its_evidence_and_dismissed(host_client, host, gpu, book, nudges):
    store(host, book, idle(gpu))
    page = host_client.get(reverse("portfolios:insights")).content.decode()
    assert "Own rented share" in page
    assert "$20 a month" in page
    answer = host_client.post(reverse("portfolios:insight-dismiss", args=[Insight.objects.get().pk]), follow=True)
    assert "rented for 50 %" not in answer.content.decode()
    assert "rented for 50 %" in host_client.get(reverse("portfolios:insights-history")).content.decode()


def test_a_formula_in_a_title_is_quoted_in_the_csv(host_client, book):
    InsightFactory(analytics=book["utilization"], title="=1+1")
    assert "'=1+1" in host_client.get(reverse("portfolios:insights-csv")).content.decode()


def test_a_rule_is_set_in_place(host_client, host, gpu):
    page = host_client.post(reverse("portfolios:checkup"), {"rule": "idle", "is_on": "on", "threshold": "25"})
    assert page.status_code == 302
    assert InsightRuleSetting.objects.values_list("rule", "is_on", "threshold").get() == ("idle", True, Decimal(25))
    host_client.post(reverse("portfolios:checkup"), {"rule": "idle", "threshold": ""})
    assert InsightRuleSetting.objects.values_list("is_on", "threshold").get() == (False, None)


@pytest.mark.parametrize("typed", ["-1", "101", "lots", "1e9", "NaN"])
def test_a_threshold_out_of_its_bounds_gets_a_sentence(host_client, typed):
    page = host_client.post(reverse("portfolios:checkup"), {"rule": "idle", "is_on": "on", "threshold": typed})
    assert page.status_code == 422
    assert "between 1 and 100" in page.content.decode()
    assert not InsightRuleSetting.objects.exists()


def test_an_unknown_rule_changes_nothing(host_client):
    assert host_client.post(reverse("portfolios:checkup"), {"rule": "nonsense"}).status_code == 302
    assert not InsightRuleSetting.objects.exists()


def test_the_demo_host_looks_and_changes_nothing(client, db):
    client.force_login(UserFactory(is_demo=True))
    page = client.get(reverse("portfolios:checkup"))
    assert 'name="rule"' not in page.content.decode()
    client.post(reverse("portfolios:checkup"), {"rule": "idle"})
    assert not InsightRuleSetting.objects.exists()


def test_the_check_up_lists_every_rule(host_client, gpu):
    page = host_client.get(reverse("portfolios:checkup")).content.decode()
    assert all(f'id="rule-{rule.name}"' in page for rule in RULES)


def test_a_huge_list_is_paged_by_key(host_client, host, book, nudges):
    for n in range(60):
        InsightFactory(analytics=book["utilization"], title=f"finding {n:03}", impact_estimate=n)
    first = host_client.get(reverse("portfolios:insights"))
    assert len(first.context["cards"]) == 25
    second = host_client.get(reverse("portfolios:insights") + first.context["next_url"])
    assert second.context["cards"][0].shown.title == "finding 034"
    assert host_client.get(reverse("portfolios:insights"), {"after": "nonsense"}).status_code == 200


def test_findings_of_one_rule_without_money_are_one_card(host, host_client, gpu, book, nudges):
    """Five times “not measured” must not drown the rest; each of them can still be dismissed."""
    for n in range(3):
        InsightFactory(analytics=book["power"], insight_type="watts", title=f"rig {n}", priority_level="low")
    InsightFactory(analytics=book["power"], insight_type="fee", title="one fee", priority_level="medium")
    for gain in (5, 9):
        InsightFactory(analytics=book["utilization"], insight_type="idle", title=f"gain {gain}", impact_estimate=gain)
    page = host_client.get(reverse("portfolios:insights"))
    shown = [card.shown.title for card in page.context["cards"]]
    assert shown == ["gain 9", "gain 5", "one fee", "Power not measured: 3 findings"]
    body = page.content.decode()
    assert page.context["count"] == 4
    assert all(reverse("portfolios:insight-dismiss", args=[row.pk]) in body for row in insights_open(host))
    panel = host_client.get(reverse("portfolios:insights-panel")).content.decode()
    assert ("one fee" in panel, "Power not measured" in panel) == (True, False)


def test_a_page_that_finds_another_at_it_says_that_nothing_is_known_yet(host, host_client, gpu, monkeypatch):
    """No rule has passed before it was run."""
    monkeypatch.setattr(analysis, "_claimed", lambda user_id: False)
    for name in ("insights", "insights-panel"):
        body = host_client.get(reverse(f"portfolios:{name}")).content.decode()
        assert "for the first time" in body
        assert "Nothing stands out" not in body


def test_the_check_up_links_to_where_the_finding_is_mended(host, host_client, gpu):
    results(gpu)
    page = host_client.get(reverse("portfolios:checkup")).content.decode()
    assert reverse("portfolios:costs", args=[gpu.portfolio_id]) in page, "no electricity price"
    assert reverse("portfolios:gpu-edit", args=[gpu.pk]) in page, "watts not measured"


def test_words_are_stored_in_the_language_of_the_host(host, gpu, monkeypatch):
    """A worker writes for its reader."""
    from django.utils import translation

    from portfolios.analysis import service as maker

    host.language = "de"
    seen = []
    original = maker.analyse
    monkeypatch.setattr(maker, "analyse", lambda *a, **k: seen.append(translation.get_language()) or original(*a, **k))
    assert maker.make(host)
    assert seen == ["de"]


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        ("15", "points", "15 points"),
        ("10", "%", "10%"),
        ("2.50", "%", "2.5%"),
        ("5", "USD", "$5"),
        ("3", "days", "3 days"),
    ],
    ids=["points", "percent", "half-percent", "usd", "days"],
)
def test_a_threshold_is_said_as_one_says_it(value, unit, words):
    assert pages.limit_words(Decimal(value), unit).replace("\xa0", " ") == words


def test_the_check_up_says_when_each_rule_speaks(host_client, gpu):
    body = host_client.get(reverse("portfolios:checkup")).content.decode()
    assert "Tell me from this many points below the market’s rented share: 15 points." in body


def test_what_rests_on_a_market_is_not_told_once_it_is_silent(host, gpu, book):
    """reliability.md: advice pauses after 12 h."""
    ensure_standing_months()
    offer(1, "0.50", clock.now() - timedelta(minutes=5), gpus=2, rented=1)
    spoke = run(clock.now() - timedelta(minutes=5))
    store(host, book, replace(idle(gpu), market=("vast",)), Finding(title="no price", description="", rule="fee"))
    assert {row.insight_type for row in insights_open(host)} == {"idle", "fee"}
    word = analysis.inputs_of(host)
    at = clock.now() - timedelta(hours=13)
    SourceRun.objects.filter(pk=spoke.pk).update(started_at=at, observed_at=at, finished_at=at)
    assert [row.insight_type for row in insights_open(host)] == ["fee"]
    assert analysis.inputs_of(host) != word, "it is looked at anew"


def test_a_cold_page_computes_what_it_shows_and_asks_a_worker_for_the_rest(host_client, host, gpu, nudges):
    """R-053: under half a second with a cold cache, so nothing that only other tabs show."""
    results(gpu, 30)
    with CaptureQueriesContext(connection) as asked:
        page = host_client.get(reverse("portfolios:analytics"), {"metric": "revenue"})
    assert page.context["section"].kind == "revenue"
    assert not any("metric_samples" in query["sql"] or "comp_days" in query["sql"] for query in asked)
    assert not Analytics.objects.filter(user=host).exists()
    assert nudges == [host.pk]


def test_the_nudge_of_an_analysis_reaches_the_queue_of_this_application(host, monkeypatch):
    """Not the application that Celery makes up where none was imported: there nobody listens."""
    from gpuadvisor.celery import app
    from gpuadvisor.core import nudge
    from portfolios.suggestions import service as suggestions

    sent = []
    monkeypatch.setattr(app, "send_task", lambda task, args, **more: sent.append((task, args)))
    monkeypatch.setattr(nudge, "_breaker", nudge.Breaker())
    monkeypatch.setattr(nudge._messenger, "submit", lambda send, *args: send(*args))
    caches["pages"].clear()
    analysis.nudge(host.pk)
    analysis.nudge(host.pk)
    suggestions.nudge(host)
    named = [tasks.analyse_host.name, tasks.suggest_host.name]
    assert sent == [(name, (str(host.pk),)) for name in named], "once a minute each"
