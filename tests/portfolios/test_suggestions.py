"""Suggestions in the table and on their pages (R-022): made by a job, decided once."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import translation

from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.partitions import ensure_months, ensure_standing_months
from market.models import Platform, SourceRun
from portfolios import caching
from portfolios.models import OptimizationSuggestion, PerformanceMetric, PriceChange
from portfolios.suggestions import service
from portfolios.suggestions.selectors import in_state
from tests.factories import (
    CostProfileFactory,
    GPUConfigurationFactory,
    PerformanceMetricFactory,
    PortfolioFactory,
    PriceChangeFactory,
    SuggestionFactory,
)
from tests.market.comp_offers import offer, run

D = Decimal
State = OptimizationSuggestion.State


def market(at, count=24):
    for number in range(count):
        offer(100 + number, "0.60" if number % 2 else "0.58", at, gpus=2, rented=1 + number % 2, verified=True)
    run(at)


@pytest.fixture
def rig(host, vast):
    """A GPU with two weeks of figures at a rate well below a market of 24 offers."""
    ensure_standing_months()
    portfolio = PortfolioFactory(user=host, name="Garage")
    CostProfileFactory(portfolio=portfolio, price_per_kwh=D("0.18"))
    return filled(GPUConfigurationFactory(portfolio=portfolio, custom_name="rig-01", power_consumption=D(450)))


def filled(gpu, rate="0.40", share="90"):
    today = clock.today()
    ensure_months(PerformanceMetric, today - timedelta(days=30), today)
    for age in range(1, 15):
        PerformanceMetricFactory(
            gpu_configuration=gpu,
            metric_date=today - timedelta(days=age),
            hourly_rate=D(rate),
            utilization_percentage=D(share),
        )
    return gpu


@pytest.fixture
def young_market(rig):
    market(clock.now() - timedelta(minutes=5))


def made(host, kind="rate"):
    assert service.make(host)
    return list(in_state(host).filter(suggestion_type=kind))


def test_a_rate_below_the_market_is_suggested_once(host, rig, young_market):
    (row,) = made(host)
    assert (row.from_rate, row.to_rate, row.platform) == (D("0.40"), D("0.44"), "vast")
    assert row.impact_low <= row.estimated_impact <= row.impact_high
    assert row.confidence_level == "high"
    assert timedelta(days=6) < row.expires_at - clock.now() <= timedelta(days=7)
    assert made(host) == [row], "the same figures leave it as it is"


def test_other_figures_replace_it(host, rig, young_market):
    (row,) = made(host)
    PerformanceMetric.objects.update(hourly_rate=D("0.45"))
    (other,) = made(host)
    row.refresh_from_db()
    assert (row.state, other.from_rate) == (State.EXPIRED, D("0.45"))


def test_it_goes_where_its_ground_is_gone(host, rig, young_market):
    made(host)
    PerformanceMetric.objects.update(hourly_rate=D("0.59"))
    assert made(host) == []


def test_after_seven_days_it_is_gone_and_made_anew(host, rig, young_market):
    (row,) = made(host)
    OptimizationSuggestion.objects.update(expires_at=clock.now() - timedelta(minutes=1))
    assert not in_state(host).exists()
    with pytest.raises(DomainError, match="over"):
        service.accept(row)
    (fresh,) = made(host)
    assert fresh != row


@pytest.mark.parametrize(("days", "count"), [(9, 0), (11, 1)])
@pytest.mark.parametrize("origin", ["typed", "seen"])
def test_a_price_change_keeps_it_quiet_for_ten_days(host, rig, young_market, days, count, origin):
    PriceChangeFactory(gpu_configuration=rig, changed_at=clock.now() - timedelta(days=days), origin=origin)
    assert len(made(host)) == count


@pytest.mark.parametrize(
    ("state", "days", "count"),
    [
        ("accepted", 9, 0),
        ("accepted", 11, 1),
        ("done", 9, 0),
        ("done", 11, 1),
        ("rejected", 29, 0),
        ("rejected", 31, 1),
    ],
)
def test_a_decision_keeps_it_quiet(host, rig, young_market, state, days, count):
    at = clock.now() - timedelta(days=days)
    SuggestionFactory(gpu_configuration=rig, state=state, decided_at=at, expires_at=at + timedelta(days=10))
    assert len(made(host)) == count


def test_a_rejected_price_keeps_idleness_quiet_too(host, rig, young_market):
    SuggestionFactory(gpu_configuration=rig, suggestion_type="idle", state="rejected", decided_at=clock.now())
    assert made(host) == []


def test_what_was_put_off_comes_back_from_new_figures(host, rig, young_market):
    (row,) = made(host)
    assert service.snooze(row, days=3)
    assert made(host) == []
    OptimizationSuggestion.objects.filter(pk=row.pk).update(snoozed_until=clock.now() - timedelta(minutes=1))
    (fresh,) = made(host)
    row.refresh_from_db()
    assert (fresh != row, row.state) == (True, State.EXPIRED)


@pytest.mark.parametrize("state", ["planned", "archived", "setup"])
def test_nothing_is_suggested_for_portfolios_that_are_not_in_use(host, rig, young_market, state):
    assert made(host)
    rig.portfolio.state, rig.portfolio.is_active = state, False
    rig.portfolio.save()
    assert made(host) == []


def test_without_a_market_nothing_is_suggested_and_why_is_said(host, host_client, rig):
    assert made(host) == []
    assert "No market to compare with" in host_client.get(reverse("portfolios:suggestions-quiet")).content.decode()


def test_no_advice_rests_on_old_figures(host, host_client, rig):
    market(clock.now() - timedelta(hours=13))
    assert made(host) == []
    assert "older than 12 hours" in host_client.get(reverse("portfolios:suggestions-quiet")).content.decode()


def test_few_offers_are_no_market(host, host_client, rig):
    market(clock.now() - timedelta(minutes=5), count=4)
    assert made(host) == []
    assert "Fewer than 5 offers" in host_client.get(reverse("portfolios:suggestions-quiet")).content.decode()


def test_as_many_queries_for_ten_as_for_two(host, rig, young_market, django_assert_max_num_queries):
    for _number in range(9):
        filled(GPUConfigurationFactory(portfolio=rig.portfolio, gpu_model=rig.gpu_model))
    with django_assert_max_num_queries(45):
        made(host)
    assert in_state(host).filter(suggestion_type="rate").count() == 10


def test_the_job_makes_what_is_due_and_no_more(host, rig, young_market, django_capture_on_commit_callbacks):
    assert service.make_slice(None) == (1, None)
    assert service.make_slice(None) == (0, None)
    with django_capture_on_commit_callbacks(execute=True):
        caching.bump(host.pk)
    assert service.is_due(host)


# -- Decisions ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def row(gpu):
    return SuggestionFactory(gpu_configuration=gpu)


def post(client, name, row, **data):
    return client.post(reverse(f"portfolios:suggestion-{name}", args=[row.pk]), data)


DECISIONS = [
    ("accept", {}, State.ACCEPTED),
    ("snooze", {"days": "3"}, State.SNOOZED),
    ("reject", {"reason": "locked", "words": "until March"}, State.REJECTED),
    ("done", {"to_rate": "0.43"}, State.DONE),
]


@pytest.mark.parametrize(("name", "data", "state"), DECISIONS, ids=[name for name, _data, _state in DECISIONS])
def test_a_double_click_decides_once(host_client, row, name, data, state):
    for _click in range(2):
        assert post(host_client, name, row, **data).status_code == 302
    row.refresh_from_db()
    assert row.state == state
    assert PriceChange.objects.count() == (name == "done")


def test_done_is_written_in_the_journal_with_what_was_really_set(host_client, row):
    post(host_client, "accept", row)
    post(host_client, "done", row, to_rate="0.43")
    row.refresh_from_db()
    change = PriceChange.objects.get()
    assert row.is_implemented
    assert row.implemented_at is not None
    assert (change.from_rate, change.to_rate, change.suggestion) == (D("0.40"), D("0.43"), row)
    assert (change.platform, change.origin) == ("vast", "typed")


def test_done_is_all_or_nothing(host_client, row):
    assert post(host_client, "done", row, to_rate="0.40").status_code == 422
    row.refresh_from_db()
    assert (row.state, row.is_implemented) == (State.OPEN, False)


@pytest.mark.parametrize(("name", "data"), [("reject", {}), ("reject", {"reason": "x"}), ("done", {"to_rate": "-1"})])
def test_a_bad_answer_gets_a_message(host_client, row, name, data):
    assert post(host_client, name, row, **data).status_code == 422
    row.refresh_from_db()
    assert row.state == State.OPEN


@pytest.mark.parametrize(
    ("state", "words"),
    [("rejected", "You rejected this"), ("expired", "is over"), ("done", "marked as done")],
)
def test_a_stale_tab_gets_a_plain_sentence(host_client, row, state, words):
    OptimizationSuggestion.objects.update(state=state)
    response = post(host_client, "accept", row)
    assert response.status_code == 422
    assert words in response.content.decode()


def test_snooze_knows_three_lengths(host_client, row):
    assert post(host_client, "snooze", row, days="400").status_code == 422


def test_a_stranger_finds_nothing(client, stranger, row):
    client.force_login(stranger)
    for name, data, _state in DECISIONS:
        assert post(client, name, row, **data).status_code == 404
    assert client.get(reverse("portfolios:suggestion", args=[row.pk])).status_code == 404
    assert row.title not in client.get(reverse("portfolios:suggestions")).content.decode()
    row.refresh_from_db()
    assert row.state == State.OPEN


def test_the_demo_decides_nothing(host, host_client, row):
    host.is_demo = True
    host.save()
    assert post(host_client, "accept", row).status_code == 403
    page = host_client.get(reverse("portfolios:suggestion", args=[row.pk])).content.decode()
    assert "read-only" in page
    assert reverse("portfolios:suggestion-accept", args=[row.pk]) not in page
    row.refresh_from_db()
    assert row.state == State.OPEN


# -- Pages -------------------------------------------------------------------------------------------------------------
def test_the_list_goes_by_dollars_a_month_filters_and_is_a_file(host_client, gpu):
    for number in range(30):
        one = GPUConfigurationFactory(portfolio=gpu.portfolio, gpu_model=gpu.gpu_model)
        SuggestionFactory(gpu_configuration=one, title=f"=rig {number}", estimated_impact=number)
    first = host_client.get(reverse("portfolios:suggestions"))
    assert [line.title for line in first.context["lines"]][:2] == ["=rig 29", "=rig 28"]
    second = host_client.get(first.context["next_url"])
    assert [line.title for line in second.context["lines"]] == [f"=rig {number}" for number in (4, 3, 2, 1, 0)]
    other = PortfolioFactory(user=gpu.portfolio.user)
    assert not host_client.get(reverse("portfolios:suggestions"), {"portfolio": other.pk}).context["lines"]
    text = host_client.get(reverse("portfolios:suggestions"), {"csv": 1}).content.decode()
    assert "'=rig 29" in text
    for odd in ("?state=x", "?portfolio=x", "?after=x", "?state=done&after=0"):
        assert host_client.get(reverse("portfolios:suggestions") + odd).status_code == 200


def test_the_list_says_when_it_looks_again_where_nothing_is_worth_changing(host, host_client, gpu):
    service.make(host)
    page = host_client.get(reverse("portfolios:suggestions")).content.decode()
    assert "Nothing worth changing" in page
    assert "Next check by" in page


def test_a_suggestion_shows_its_way_its_ground_and_the_command(host, host_client, rig, young_market):
    (row,) = made(host)
    page = host_client.get(reverse("portfolios:suggestion", args=[row.pk])).content.decode()
    for words in ("Median of the comp set", "Step limit", "vastai list machine", "Running rentals keep", "<svg"):
        assert words in page


def test_advice_rests_once_its_market_is_silent_for_twelve_hours(host, host_client, rig, young_market):
    """reliability.md: advice pauses after 12 h. Shown as paused, not among the next steps, made anew at once."""
    (row,) = made(host)
    address, steps = reverse("portfolios:suggestions"), reverse("portfolios:next-steps")
    accept = reverse("portfolios:suggestion-accept", args=[row.pk])
    assert accept in host_client.get(address).content.decode()
    assert not service.is_due(host)
    at = clock.now() - timedelta(hours=13)
    SourceRun.objects.update(started_at=at, observed_at=at, finished_at=at)
    page = host_client.get(address).content.decode()
    assert "Paused: the market’s figures are older than 12 hours" in page
    assert accept not in page
    assert accept not in host_client.get(reverse("portfolios:suggestion", args=[row.pk])).content.decode()
    left = host_client.get(steps).context["lines"]
    assert [line.row.suggestion_type for line in left] == ["power_limit"], "which rests on no market"
    assert service.is_due(host), "who speaks is part of what suggestions are made of"


def test_what_is_suggested_is_written_in_the_language_of_its_host(host, rig, young_market):
    """The worker has no language of its own."""
    host.language = "de"
    seen = []
    with translation.override("en-us"):
        original = service.facts_of
        service.facts_of = lambda *args: seen.append(translation.get_language()) or original(*args)
        try:
            assert service.make(host)
        finally:
            service.facts_of = original
    assert seen == ["de"]


def test_the_panel_holds_three_and_answers_a_decision_with_itself(host_client, gpu):
    ensure_standing_months()
    market(clock.now() - timedelta(minutes=5))
    for number in range(4):
        one = GPUConfigurationFactory(portfolio=gpu.portfolio, gpu_model=gpu.gpu_model)
        SuggestionFactory(gpu_configuration=one, title=f"rig {number}", estimated_impact=number)
    url = reverse("portfolios:next-steps")
    assert "<html" in host_client.get(url).content.decode()
    headers = {"HX-Request": "true", "HX-Target": "next-steps"}
    panel = host_client.get(url, headers=headers)
    assert [line.title for line in panel.context["lines"]] == ["rig 3", "rig 2", "rig 1"]
    best = panel.context["lines"][0].row
    answer = host_client.post(reverse("portfolios:suggestion-accept", args=[best.pk]), headers=headers)
    assert (answer.status_code, "toast" in answer.headers["HX-Trigger"]) == (200, True)
    assert [line.title for line in answer.context["lines"]] == ["rig 2", "rig 1", "rig 0"]
    assert "<html" not in answer.content.decode()
    again = host_client.post(reverse("portfolios:suggestion-reject", args=[best.pk]), {"reason": "x"}, headers=headers)
    assert again.status_code == 422


def test_a_platform_that_sets_prices_itself_gets_no_advice_on_them(host, rig, young_market):
    Platform.objects.filter(slug="vast").update(host_sets_ondemand_price=False)
    assert made(host) == []
