"""What is past its time goes, exact to the day, in small batches, whole months at once (R-064, promise 18, d8)."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from alerts.models import AlertDelivery, AlertLog, DeliveryAttempt, Episode
from billing.models import PlanChange
from chat.models import Answer, Conversation, Message, Offer
from gpuadvisor.core import clock, partitions
from gpuadvisor.core.models import AuditEntry, JobRun
from gpuadvisor.operations.retention import batches, months, purging
from gpuadvisor.operations.retention.policies import BY_NAME, OURS
from market import rollups
from market.models import MarketDaily, MarketData, PricingSnapshot, SourceRun, UtilizationTrend
from portfolios.models import MetricSample, PerformanceMetric
from tests.factories import (
    AlertDeliveryFactory,
    AlertFactory,
    AlertLogFactory,
    AnswerFactory,
    ConversationFactory,
    EpisodeFactory,
    GPUConfigurationFactory,
    MarketDataFactory,
    MessageFactory,
    OfferFactory,
    PerformanceMetricFactory,
    UserFactory,
)

TODAY = date(2026, 11, 20)
SECOND = timedelta(seconds=1)
AROUND = [-SECOND, timedelta(0), SECOND]


def midnight(day):
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def purge(*names, today=TODAY):
    """What went, by name; without pauses."""
    chosen = [BY_NAME[name] for name in names] or OURS
    return {going.policy.name: going for going in purging.purge(chosen, today=today, pause=lambda _seconds: None)}


def look(*names, today=TODAY):
    return {going.policy.name: going for going in purging.look([BY_NAME[name] for name in names], today=today)}


def left(model, *columns):
    return list(model.objects.order_by(*columns).values_list(*columns, flat=len(columns) == 1))


@pytest.fixture
def whole_months(transactional_db):
    """Tables by month that a test fills and drops; afterwards they stand as before."""
    before = {model: set(partitions.existing_months(model)) for model in partitions.partitioned_models()}
    yield
    for model, standing in before.items():
        now = set(partitions.existing_months(model))
        for month in now - standing:
            partitions.drop_month(model, month)
        for month in standing - now:
            partitions.ensure_months(model, month, month)
    with connection.cursor() as cursor:
        cursor.execute("select indexrelid::regclass::text from pg_index where indexrelid::regclass::text ~ '_past$'")
        for (name,) in cursor.fetchall():
            cursor.execute(f'drop index "{name}"')


# -- Exact to the day --------------------------------------------------------------------------------------------------
def test_alert_logs_go_at_the_day_and_not_a_second_sooner(db):
    limit = midnight(BY_NAME["alert-logs"].limit(TODAY))
    assert limit == datetime(2026, 8, 22, tzinfo=UTC)
    for around in AROUND:
        AlertLogFactory(triggered_at=limit + around)
    assert look("alert-logs")["alert-logs"].rows == 1
    assert purge("alert-logs")["alert-logs"].rows == 1
    assert left(AlertLog, "triggered_at") == [limit, limit + SECOND]
    assert purge("alert-logs")["alert-logs"].rows == 0


@pytest.mark.parametrize(
    ("tier", "years"), [("free", 1), ("individual", 2), ("professional", None), ("enterprise", None)]
)
def test_conversations_go_by_plan_exact_to_the_day(db, tier, years):
    """R-064: free one year, individual two, above until deleted."""
    user = UserFactory(subscription_tier=tier)
    limit = midnight(TODAY.replace(year=TODAY.year - (years or 9)))
    for around in AROUND:
        ConversationFactory(user=user, last_message_at=limit + around)
    PlanChange.objects.all().delete()
    assert purge("conversations")["conversations"].rows == (1 if years else 0)
    assert left(Conversation, "last_message_at") == [limit + around for around in (AROUND[1:] if years else AROUND)]


def test_silence_counts_from_the_last_word_or_from_when_it_was_taken_out_of_the_archive(db):
    user = UserFactory(subscription_tier="free")
    PlanChange.objects.all().delete()
    old = datetime(2024, 1, 1, tzinfo=UTC)
    kept = ConversationFactory(user=user, last_message_at=old, restored_at=datetime(2026, 1, 1, tzinfo=UTC))
    never_spoken = ConversationFactory(user=user, last_message_at=None)
    Conversation.objects.filter(pk=never_spoken.pk).update(started_at=old)
    assert purge("conversations")["conversations"].rows == 1
    assert left(Conversation, "pk") == [kept.pk]


def test_a_plan_that_ended_takes_nothing_on_its_day(db):
    """Counted from when the smaller plan began, and from the end of its grace, at the earliest."""
    user = UserFactory(subscription_tier="free")
    PlanChange.objects.all().delete()
    ConversationFactory(user=user, last_message_at=datetime(2023, 1, 1, tzinfo=UTC))
    began = datetime(2026, 11, 1, tzinfo=UTC)
    PlanChange.objects.create(
        user=user, before="professional", after="free", price_before=29, price_after=0, source="stripe", at=began
    )
    assert purge("conversations")["conversations"].rows == 0
    assert purge("conversations", today=date(2027, 11, 1))["conversations"].rows == 0
    user.subscription.grace_until = datetime(2026, 12, 1, tzinfo=UTC)
    user.subscription.save()
    assert purge("conversations", today=date(2027, 11, 2))["conversations"].rows == 0
    assert purge("conversations", today=date(2027, 12, 2))["conversations"].rows == 1


# -- What hangs on it --------------------------------------------------------------------------------------------------
def test_a_conversation_takes_messages_answers_and_offers_along(db):
    user = UserFactory(subscription_tier="free")
    PlanChange.objects.all().delete()
    for day in (datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)):
        conversation = ConversationFactory(user=user, last_message_at=day)
        question = MessageFactory(conversation=conversation)
        message = MessageFactory(conversation=conversation, role="assistant")
        AnswerFactory(user=user, question=question, message=message, state="finished")
        OfferFactory(user=user, message=message)
    purge("conversations")
    assert [model.objects.count() for model in (Conversation, Message, Answer, Offer)] == [1, 2, 1, 1]


def test_an_alert_log_takes_its_deliveries_along_and_no_episode(db):
    """The episode stays while it is open; what told of several logs stays for those that stay."""
    alert = AlertFactory()
    episode = EpisodeFactory(alert=alert, user=alert.user, opened_at=datetime(2026, 1, 1, tzinfo=UTC))
    old = AlertLogFactory(alert=alert, episode=episode, triggered_at=datetime(2026, 1, 1, tzinfo=UTC))
    young = AlertLogFactory(alert=alert, episode=episode, triggered_at=datetime(2026, 11, 1, tzinfo=UTC))
    folded = AlertLogFactory(alert=alert, triggered_at=datetime(2026, 11, 1, tzinfo=UTC), folded_into=old)
    delivery = AlertDeliveryFactory(log=old)
    DeliveryAttempt.objects.create(delivery=delivery, number=1, at=clock.now(), seconds=1)
    digest = AlertDeliveryFactory(log=None, purpose="digest", created_at=datetime(2026, 11, 1, tzinfo=UTC))
    digest.tells.set([old, young])
    purge("alert-logs", "deliveries", "episodes")
    assert set(left(AlertLog, "pk")) == {young.pk, folded.pk}
    folded.refresh_from_db()
    assert folded.folded_into_id is None
    assert left(AlertDelivery, "pk") == [digest.pk]
    assert list(digest.tells.all()) == [young]
    assert not DeliveryAttempt.objects.exists()
    assert left(Episode, "pk") == [episode.pk]


def test_an_episode_goes_90_days_after_its_end_with_its_timeline(db):
    alert = AlertFactory()
    ended = midnight(BY_NAME["episodes"].limit(TODAY)) - SECOND
    past = EpisodeFactory(alert=alert, user=alert.user, state="resolved", resolved_at=ended)
    past.events.create(kind="opened", text="x", at=ended)
    log = AlertLogFactory(alert=alert, episode=past, triggered_at=ended + 2 * SECOND)
    purge("alert-logs", "episodes")
    assert not Episode.objects.exists()
    log.refresh_from_db()
    assert log.episode_id is None


def test_a_row_with_more_hanging_on_it_than_a_batch_takes_goes_in_several(db, monkeypatch):
    """At most so many rows in a batch, those that hang on others included."""
    monkeypatch.setattr(batches, "MOST_ROWS", 7)
    user = UserFactory(subscription_tier="free")
    PlanChange.objects.all().delete()
    for _number in range(3):
        conversation = ConversationFactory(user=user, last_message_at=datetime(2025, 1, 1, tzinfo=UTC))
        for _message in range(10):
            MessageFactory(conversation=conversation)
    pace = batches.Pace(pause=lambda _seconds: None)
    went = []
    assert batches.delete_past(BY_NAME["conversations"], TODAY, pace=pace, report=went.append)
    assert sum(went) == 3
    assert pace.largest <= 7
    assert not Message.objects.exists()


# -- Batches -----------------------------------------------------------------------------------------------------------
def many_logs(number, days=200):
    """Logs of one alert, most of them past their time."""
    alert = AlertFactory()
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into alert_logs (id, alert_id, trigger_reason, trigger_data, delivery_status, delivery_details,"
            " triggered_at) select uuidv7(), %s, 'x', '{}', 'delivered', '{}', %s::timestamptz - n * interval '1 hour'"
            " from generate_series(1, %s) n",
            [alert.pk, midnight(TODAY) - timedelta(days=days), number],
        )


@pytest.mark.slow
def test_batches_are_small_quick_and_in_the_order_of_time(transactional_db):
    many_logs(12_000)
    seen = []

    def paused(_seconds):
        seen.append(AlertLog.objects.order_by("triggered_at").values_list("triggered_at", flat=True).first())

    pace = batches.Pace(pause=paused)
    sizes = []
    assert batches.delete_past(BY_NAME["alert-logs"], TODAY, pace=pace, report=sizes.append)
    assert sum(sizes) == 12_000
    assert max(sizes) <= batches.MOST_ROWS
    assert pace.longest < 2 * batches.MOST_SECONDS  # measured from outside, on a machine that others use too
    assert [one for one in seen if one] == sorted(one for one in seen if one)


def test_a_batch_that_takes_too_long_is_undone_and_the_next_is_smaller(db):
    pace = batches.Pace(rows=4_000, pause=lambda _seconds: None)
    AlertLogFactory()
    with pace.batch(), connection.cursor() as cursor:
        AlertLog.objects.all().delete()
        cursor.execute("select pg_sleep(2)")
    assert pace.rows == 1_000
    assert AlertLog.objects.count() == 1


def test_a_purge_that_was_stopped_in_the_middle_goes_on_where_it_stood(db):
    """Each batch is counted in its own transaction, so that the sum is exact whenever it was stopped."""
    many_logs(3_000)
    today = clock.today()

    class Killed(BaseException):
        pass

    def killed(_seconds):
        if AlertLog.objects.count() < 3_000:
            raise Killed

    with pytest.raises(Killed):
        purging.night(pause=killed)
    row = JobRun.objects.get(job="purge:alert-logs")
    assert row.finished_at is None
    assert 0 < row.rows < 3_000
    assert AlertLog.objects.count() == 3_000 - row.rows
    assert not purging.is_done(clock.now())
    purging.night(pause=lambda _seconds: None)
    row.refresh_from_db()
    assert (row.rows, row.error, AlertLog.objects.count()) == (3_000, "", 0)
    assert purging.is_done(clock.now())
    assert purging.night() == 0
    assert today <= clock.today()


def test_a_slice_ends_when_its_time_is_over(db):
    many_logs(3_000)
    assert purging.night(seconds=-1) == 0
    assert AlertLog.objects.count() == 3_000
    assert not purging.is_done(clock.now())


def test_what_meets_trouble_says_so_and_the_next_table_goes_on(db):
    many_logs(10)
    with connection.cursor() as cursor:
        cursor.execute("create function no() returns trigger language plpgsql as $$ begin raise 'not these'; end $$")
        cursor.execute("create trigger no before delete on alert_logs for each row execute function no()")
    SourceRun.objects.create(source="salad", status="ok", started_at=datetime(2024, 1, 1, tzinfo=UTC))
    gone = purge("alert-logs", "source-runs")
    assert "not these" in gone["alert-logs"].trouble
    assert "not these" in JobRun.objects.get(job="purge:alert-logs").error
    assert gone["source-runs"].rows == 1
    assert AlertLog.objects.count() == 10


# -- Months ------------------------------------------------------------------------------------------------------------
def test_a_month_is_dropped_once_its_last_row_is_past_and_the_rest_goes_by_the_day(whole_months):
    gpu = GPUConfigurationFactory()
    partitions.ensure_months(PerformanceMetric, date(2024, 9, 1), date(2024, 12, 1))
    days = [date(2024, 9, 30), date(2024, 10, 31), date(2024, 11, 1), date(2024, 11, 19)]
    kept = [date(2024, 11, 20), date(2024, 11, 21), date(2024, 12, 1)]
    for day in (*days, *kept):
        PerformanceMetricFactory(gpu_configuration=gpu, metric_date=day)
    would = look("metrics")["metrics"]
    went = purge("metrics")["metrics"]
    assert (would.rows, would.months) == (went.rows, went.months)
    assert went.rows == 4
    assert went.months == ["performance_metrics_202409", "performance_metrics_202410"]
    assert (would.first, would.last) == (date(2024, 9, 30), date(2024, 11, 19))
    assert left(PerformanceMetric, "metric_date") == kept
    assert date(2024, 11, 1) in partitions.existing_months(PerformanceMetric)
    assert AuditEntry.objects.filter(action="retention.month-dropped").count() == 2


def test_an_empty_month_that_is_kept_ready_stays(whole_months):
    """Else the job that keeps months ready would make it again each day."""
    first = partitions.add_months(TODAY, -partitions.MONTHS_BEHIND)
    for model in partitions.partitioned_models():
        partitions.ensure_months(model, partitions.add_months(first, -1), first)
    names = look("metrics", "samples", "market-days")
    assert names["metrics"].months[-1:] == [f"performance_metrics_{partitions.add_months(first, -1):%Y%m}"]
    purge("metrics")
    assert first in partitions.existing_months(PerformanceMetric)
    assert look("metrics")["metrics"].months == []


def test_samples_go_at_the_day_and_not_a_second_sooner(whole_months):
    gpu = GPUConfigurationFactory()
    limit = midnight(date(2024, 11, 20))
    partitions.ensure_months(MetricSample, limit.date(), limit.date())
    for around in AROUND:
        MetricSample.objects.create(
            gpu_configuration=gpu, platform="vast", sampled_at=limit + around, recorded_at=limit
        )
    assert purge("samples")["samples"].rows == 1
    assert left(MetricSample, "sampled_at") == [limit, limit + SECOND]


def fill_market(*days):
    partitions.ensure_months(MarketData, min(days), max(days))
    for model in (PricingSnapshot, UtilizationTrend):
        partitions.ensure_months(model, min(days), max(days))
    for day in days:
        row = MarketDataFactory(gpu_model="RTX 4090", data_timestamp=midnight(day) + timedelta(hours=12))
        UtilizationTrend.objects.create(
            market_data=row, gpu_model=row.gpu_model, platform=row.platform, region=row.region, trend_date=day
        )
        PricingSnapshot.objects.create(
            market_data=row, source="vast", external_id="1", price_per_hour=1, snapshot_time=row.data_timestamp
        )


def test_market_data_go_with_their_offers_and_trends_and_leave_their_days(whole_months):
    """R-035: full resolution for two years, days for five. Days that were never made are made first."""
    fill_market(date(2024, 10, 5), date(2024, 11, 19), date(2024, 11, 20))
    gone = purge("offers", "trends", "market", "market-days")
    assert {name: going.rows for name, going in gone.items()} == {
        "offers": 2,
        "trends": 2,
        "market": 2,
        "market-days": 0,
    }
    assert [model.objects.count() for model in (MarketData, PricingSnapshot, UtilizationTrend)] == [1, 1, 1]
    assert left(MarketDaily, "day") == [date(2024, 10, 5), date(2024, 11, 19)]
    rollups.roll_up(date(2024, 10, 1), date(2024, 11, 30))
    assert set(left(MarketDaily, "day")) >= {date(2024, 10, 5), date(2024, 11, 19)}


def test_a_month_whose_days_are_not_kept_stays_and_says_so(whole_months, monkeypatch):
    fill_market(date(2024, 10, 5), date(2024, 10, 6))
    monkeypatch.setattr(rollups, "fill_in", lambda day: 0)
    gone = purge("offers", "trends", "market")
    assert gone["market"].trouble == (
        "market_data_202410 stays: 2 of its days are not in market_daily (2024-10-05, 2024-10-06)"
    )
    assert [model.objects.count() for model in (MarketData, PricingSnapshot, UtilizationTrend)] == [2, 2, 2]


def test_a_day_that_stands_is_not_made_again_from_what_is_left_of_it(whole_months):
    fill_market(date(2024, 10, 5))
    rollups.fill_in(date(2024, 10, 5))
    MarketDaily.objects.update(moments=96)
    MarketDataFactory(gpu_model="RTX 3090", data_timestamp=midnight(date(2024, 10, 5)))
    purge("market")
    assert left(MarketDaily, "gpu_model", "moments") == [("RTX 3090", 1), ("RTX 4090", 96)]


@pytest.mark.slow
def test_a_month_that_a_reader_holds_goes_with_the_next_run(whole_months, monkeypatch):
    """Detached as far as it goes, it is left pending, and ended the next time; other months go on being read."""
    monkeypatch.setattr(months, "PAUSES", ())
    partitions.ensure_months(PerformanceMetric, date(2024, 8, 1), date(2024, 9, 1))
    with months.as_owner() as reader, reader.cursor() as cursor:
        cursor.execute("begin")
        cursor.execute("select count(*) from performance_metrics")
        held = purge("metrics")["metrics"]
        assert "lock timeout" in held.trouble
        assert PerformanceMetric.objects.count() == 0
        assert look("metrics")["metrics"].months[0] == "performance_metrics_202408"
        cursor.execute("rollback")
    assert purge("metrics")["metrics"].months[:2] == ["performance_metrics_202408", "performance_metrics_202409"]


# -- The command -------------------------------------------------------------------------------------------------------
def command(*options):
    out = StringIO()
    call_command("purge", *options, stdout=out)
    return out.getvalue()


@pytest.mark.slow
def test_a_dry_run_counts_what_goes_after_it_and_deletes_nothing(whole_months):
    many_logs(50)
    limit = clock.today().replace(year=clock.today().year - 2, day=1)
    first = partitions.add_months(limit, -2)
    for model in (PerformanceMetric, MetricSample):
        partitions.ensure_months(model, first, limit)
    gpu = GPUConfigurationFactory()
    PerformanceMetricFactory(gpu_configuration=gpu, metric_date=first)
    would = json.loads(command("--dry-run", "--json"))
    assert AlertLog.objects.count() == 50
    assert not JobRun.objects.exists()
    went = json.loads(command("--json"))
    assert would["ok"]
    assert went["ok"]
    counted = [{key: row[key] for key in ("name", "table", "rule", "rows", "months")} for row in would["rows"]]
    assert counted == [{key: row[key] for key in ("name", "table", "rule", "rows", "months")} for row in went["rows"]]
    assert {row["name"]: row["rows"] for row in went["rows"]}["alert-logs"] == 50
    assert JobRun.objects.get(job="purge:alert-logs").rows == 50
    assert all(row["rows"] == 0 and not row["months"] for row in json.loads(command("--dry-run", "--json"))["rows"])


def test_the_command_tells_table_rule_rows_and_span(db):
    many_logs(2)
    text = command("--dry-run", "--only", "alert-logs")
    assert "alert-logs: alert_logs, 90 days; in batches" in text
    assert "2 rows would go, 2026-05-03 22:00 to 2026-05-03 23:00" in text
    assert "Nothing was deleted." in text
    assert "performance_metrics, 2 years; months dropped" in command("--rules")


@pytest.mark.parametrize(
    ("name", "says"), [("nonsense", "There is no nonsense"), ("audit", "audit is not deleted by this command")]
)
def test_a_name_that_purge_does_not_delete_is_refused(db, name, says):
    with pytest.raises(CommandError, match=says):
        command("--only", name)


# -- Killed ------------------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_purge_that_is_killed_in_the_middle_loses_nothing_and_goes_on(whole_months):
    """By a real process and SIGKILL: what was counted is what went, and the next run ends it."""
    number, limit = 60_000, BY_NAME["metrics"].limit(clock.today())
    month = limit.replace(day=1)
    if limit == month:
        pytest.skip("on the first of a month nothing goes by the day")
    partitions.ensure_months(PerformanceMetric, month, month)
    gpu = GPUConfigurationFactory()
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into performance_metrics (id, gpu_configuration_id, platform, detailed_metrics, metric_date,"
            " recorded_at, updated_at) select uuidv7(), %s, 'p' || n, '{}', %s, now(), now()"
            " from generate_series(1, %s) n",
            [gpu.pk, limit - timedelta(days=1), number],
        )
    kept = PerformanceMetricFactory(gpu_configuration=gpu, metric_date=limit)
    with started() as process:
        for _turn in range(600):
            left = PerformanceMetric.objects.count()
            if left < number - 2_000 or process.poll() is not None:
                break
            time.sleep(0.05)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    run = JobRun.objects.get(job="purge:metrics")
    left = PerformanceMetric.objects.count() - 1
    assert run.finished_at is None
    assert 0 < run.rows == number - left < number
    assert purge("metrics", today=clock.today())["metrics"].rows == left
    assert list(PerformanceMetric.objects.all()) == [kept]


def started():
    """`purge` of daily results on the tests' database, as a process of its own."""
    base, _, query = os.environ["DATABASE_URL"].partition("?")
    name = connection.settings_dict["NAME"]
    address = f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
    env = os.environ | {"DATABASE_URL": address, "DATABASE_ROLE": "owner"}
    line = [sys.executable, "-m", "django", "purge", "--only", "metrics"]
    return subprocess.Popen(line, env=env, cwd=settings.BASE_DIR, stdout=subprocess.DEVNULL)
