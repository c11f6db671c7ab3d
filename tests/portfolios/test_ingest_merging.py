"""Posted batches become samples and days: once, in order, late or torn off in the middle (R-055, reliability 27)."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from gpuadvisor.accounts import api_tokens
from gpuadvisor.core import clock
from portfolios import services
from portfolios.caching import dashboard_version
from portfolios.ingest import accepting, merging
from portfolios.models import IngestBatch, MetricSample, PerformanceMetric
from tests.factories import GPUConfigurationFactory, PlatformFactory, PortfolioFactory, UserFactory

D = Decimal
SAMPLES, METRICS = IngestBatch.Kind.SAMPLES, IngestBatch.Kind.METRICS


@pytest.fixture
def rig(db):
    PlatformFactory()
    return GPUConfigurationFactory(portfolio=PortfolioFactory(user=UserFactory()), quantity=4)


@pytest.fixture
def token(rig):
    return api_tokens.create_token(user=rig.portfolio.user, name="Rigs", scopes=["read", "ingest"])[0]


def midnight(days_ago=1):
    return datetime.combine(clock.today() - timedelta(days=days_ago), datetime.min.time(), UTC)


def quarters(rig, number=96, *, start=0, days_ago=1, **more):
    figures = {"is_online": True, "listed_gpus": 4, "rented_gpus": 3, "hourly_rate": "0.40", "gpu_revenue": "0.30"}
    return [
        {
            "gpu_configuration": str(rig.pk),
            "platform": "vast",
            "sampled_at": (midnight(days_ago) + timedelta(minutes=15 * (start + n))).isoformat(),
            **figures,
            **more,
        }
        for n in range(number)
    ]


def result(rig, days_ago=1, **figures):
    day = midnight(days_ago).date().isoformat()
    return {"gpu_configuration": str(rig.pk), "platform": "vast", "metric_date": day, **figures}


def accept(token, items, kind=SAMPLES, key=""):
    digest = accepting.digest_of(kind, json.dumps(items).encode())
    return accepting.accept(token=token, kind=kind, items=items, digest=digest, key=key)


def stored():
    """Everything that a replay might touch, with when it was touched."""
    samples = MetricSample.objects.order_by("pk").values()
    days = PerformanceMetric.objects.order_by("pk").values()
    return list(samples), list(days)


def changed(accepted):
    return IngestBatch.objects.values_list("rows_changed", flat=True).get(pk=accepted.pk)


def test_a_replay_changes_nothing(rig, token):
    """27: the same rows again are not written, and keep their updated_at."""
    first = accept(token, quarters(rig))
    merging.merge_waiting()
    before = stored()
    again = accept(token, quarters(rig))
    assert merging.merge_waiting() == 1
    assert (changed(first), changed(again)) == (96, 0)
    assert stored() == before


def test_a_replay_of_statements_changes_nothing(rig, token):
    items = [result(rig, daily_revenue="20.00", utilization_percentage=70)]
    first = accept(token, items, METRICS)
    merging.merge_waiting()
    before = stored()
    again = accept(token, items, METRICS)
    merging.merge_waiting()
    assert (changed(first), changed(again)) == (1, 0)
    assert stored() == before


def test_an_altered_batch_changes_what_it_alters(rig, token):
    accept(token, quarters(rig))
    merging.merge_waiting()
    items = quarters(rig)
    items[5]["gpu_revenue"] = "0.50"
    altered = accept(token, items)
    merging.merge_waiting()
    assert changed(altered) == 1
    assert PerformanceMetric.objects.get().daily_revenue == D("29.00")


@pytest.mark.parametrize("days_ago", [0, 1, 40, 700])
def test_late_samples_make_their_day_anew(rig, token, days_ago):
    """Yesterday's and older ones, within two years; the month is made where it is missing."""
    if days_ago == 700:
        with connection.cursor() as cursor:
            for table in ("metric_samples", "performance_metrics"):
                cursor.execute(f'drop table if exists "{table}_{midnight(700):%Y%m}"')
    accept(token, quarters(rig, 1, days_ago=days_ago))
    merging.merge_waiting()
    assert PerformanceMetric.objects.get().hours_observed == D("0.25")
    accept(token, quarters(rig, 1, start=0, days_ago=days_ago, rented_gpus=1, gpu_revenue="0.10"))
    if days_ago:
        accept(token, quarters(rig, 95, start=1, days_ago=days_ago))
    merging.merge_waiting()
    day = PerformanceMetric.objects.get()
    assert day.metric_date == midnight(days_ago).date()
    if days_ago:
        assert (day.hours_observed, day.daily_revenue) == (D(24), D("28.60"))
    else:
        assert (day.hours_observed, day.daily_revenue) == (D("0.25"), D("0.10"))


def test_order_of_receipt_decides(rig, token):
    """Of two batches that wait together, and of two items of one batch, the later one stands."""
    one = accept(token, quarters(rig, 1, gpu_revenue="0.10"))
    two = accept(token, [*quarters(rig, 1, gpu_revenue="0.20"), *quarters(rig, 1, gpu_revenue="0.25")])
    assert merging.merge_waiting() == 2
    assert MetricSample.objects.get().gpu_revenue == D("0.25")
    assert (changed(one), changed(two)) == (0, 1)
    for revenue in ("3", "2", "1"):
        accept(token, [result(rig, days_ago=3, daily_revenue=revenue)], METRICS)
    merging.merge_waiting()
    assert PerformanceMetric.objects.get(metric_date=midnight(3).date()).daily_revenue == 1


@pytest.mark.parametrize("is_for_one_portfolio", [False, True])
def test_what_may_be_posted_is_what_the_list_of_gpus_names(rig, is_for_one_portfolio):
    """One statement answers a post; it follows the queries that the list and the pages use."""
    user = rig.portfolio.user
    states = ("active", "setup", "planned", "archived")
    states = [PortfolioFactory(user=user, state=state, is_active=state == "active") for state in states]
    gpus = [rig, *(GPUConfigurationFactory(portfolio=portfolio) for portfolio in (*states, PortfolioFactory()))]
    gpus.append(GPUConfigurationFactory(portfolio=rig.portfolio, is_active=False))
    PlatformFactory(slug="a-list", name="A list", status="reference")
    only = [rig.portfolio.pk] if is_for_one_portfolio else []
    token = api_tokens.create_token(user=user, name="Rigs", scopes=["ingest"], portfolio_ids=only)[0]
    known = accepting._known(token, [{"gpu_configuration": str(gpu.pk).upper()} for gpu in gpus])
    assert set(known.gpus.values()) == set(accepting.gpus_of(token).values_list("pk", flat=True))
    assert len(known.gpus) == (1 if is_for_one_portfolio else 4)
    assert known.platforms == {"vast"}


def test_of_two_samples_of_one_quarter_hour_the_later_one_stands(rig, token):
    """Within a post and among posts that are merged together; what was told over counts for the later post alone."""
    first = accept(token, [*quarters(rig, 1, rented_gpus=1), *quarters(rig, 2, rented_gpus=2)])
    last = accept(token, quarters(rig, 1, start=1, rented_gpus=4))
    merging.merge_waiting()
    told = MetricSample.objects.order_by("sampled_at").values_list("rented_gpus", "source")
    assert list(told) == [(2, "api"), (4, "api")]
    assert (changed(first), changed(last)) == (1, 1)
    assert {pk.version for pk in MetricSample.objects.values_list("pk", flat=True)} == {7}


def test_samples_and_a_statement_of_one_day(rig, token):
    """Whichever comes first: the samples speak, the statement is kept and its difference named."""
    for days_ago, kinds in ((1, (SAMPLES, METRICS)), (2, (METRICS, SAMPLES))):
        for kind in kinds:
            samples = quarters(rig, days_ago=days_ago)
            told = [result(rig, days_ago, daily_revenue="40", energy_kwh="21.5", bonus_revenue="1")]
            accept(token, samples if kind == SAMPLES else told, kind)
            merging.merge_waiting()
        day = PerformanceMetric.objects.get(metric_date=midnight(days_ago).date())
        assert (day.daily_revenue, day.energy_kwh, day.bonus_revenue) == (D("28.80"), D("21.500"), D(1))
        assert day.detailed_metrics["conflicts"] == ["daily_revenue"]
        stated = day.detailed_metrics["stated"]
        assert {name: D(stated[name]) for name in ("daily_revenue", "energy_kwh", "bonus_revenue")} == {
            "daily_revenue": D(40),
            "energy_kwh": D("21.5"),
            "bonus_revenue": D(1),
        }
        assert (stated["source"], stated["currency"], stated["is_after_fee"]) == ("api", "USD", False)


def test_a_day_that_was_typed_in_meets_its_samples(rig, token):
    day = midnight().date()
    figures = {"utilization_percentage": D(10), "hourly_rate": None, "daily_revenue": D(5), "uptime_hours": 20}
    services.record_metric(gpu=rig, platform="vast", day=day, figures=figures)
    accept(token, quarters(rig))
    merging.merge_waiting()
    metric = PerformanceMetric.objects.get()
    assert (metric.utilization_percentage, metric.daily_revenue, metric.uptime_hours) == (D(75), D("28.80"), 24)
    assert metric.detailed_metrics["conflicts"] == ["utilization_percentage", "daily_revenue", "uptime_hours"]
    assert metric.detailed_metrics["stated"]["source"] == "typed"


def test_what_follows_a_merge(rig, token, django_capture_on_commit_callbacks):
    """The dashboard's cached pages are outdated, the month is estimated anew."""
    user = rig.portfolio.user
    before = dashboard_version(user.pk)
    accept(token, quarters(rig))
    with django_capture_on_commit_callbacks(execute=True):
        merging.merge_waiting()
    assert dashboard_version(user.pk) != before
    rig.portfolio.refresh_from_db()
    assert rig.portfolio.estimated_monthly_revenue is not None


def test_a_gpu_removed_meanwhile_keeps_its_results(rig, token):
    other = GPUConfigurationFactory(portfolio=rig.portfolio)
    batch = accept(token, [*quarters(rig, 2), *quarters(other, 3)])
    services.remove_gpu(gpu=other)
    merging.merge_waiting()
    row = IngestBatch.objects.get(pk=batch.pk)
    assert (row.rows_changed, row.error) == (2, "3 items of GPUs that were removed meanwhile were left out.")


def test_a_batch_that_cannot_be_stored_holds_nobody_up(rig, token):
    first = accept(token, quarters(rig, 1))
    bad = accept(token, quarters(rig, 1, start=1))
    last = accept(token, quarters(rig, 1, start=2))
    payload = IngestBatch.objects.get(pk=bad.pk).payload
    IngestBatch.objects.filter(pk=bad.pk).update(payload=payload | {"lines": payload["lines"].replace("0.30", "-7")})
    merging.merge_waiting()
    assert [changed(batch) for batch in (first, bad, last)] == [1, 0, 1]
    assert IngestBatch.objects.get(pk=bad.pk).error.startswith("Not merged: ")
    assert not IngestBatch.objects.filter(merged_at=None).exists()


def test_old_batches_go_with_their_keys(rig, token):
    """After 30 days; one that still waits stays."""
    batches = [accept(token, quarters(rig, 1, start=n), key=str(n)) for n in range(3)]
    merging.merge_waiting()
    batches.append(accept(token, quarters(rig, 1, start=4), key="waits"))
    for batch, days in zip(batches, (31, 29, 8, 31), strict=True):
        IngestBatch.objects.filter(pk=batch.pk).update(received_at=clock.now() - timedelta(days=days))
    assert merging.purge() == 1
    assert set(IngestBatch.objects.values_list("idempotency_key", flat=True)) == {"1", "2", "waits"}


def test_a_run_ends_in_time_and_takes_slices(rig, token, monkeypatch):
    monkeypatch.setattr(merging, "SLICE_ITEMS", 2)
    batches = [accept(token, quarters(rig, 1, start=n)) for n in range(5)]
    assert merging.merge_waiting(seconds=0) == 0
    assert merging.merge_slice(most=2) == 2
    assert merging.merge_slice(most=0) == 1
    assert merging.merge_waiting() == 2
    assert [changed(batch) for batch in batches] == [1] * 5


# ---- with transactions of their own ----

THOUSAND = 1_000


def post(key, items, idempotency_key):
    client = Client()
    try:
        return client.post(
            "/api/v1/samples",
            json.dumps({"items": items}),
            content_type="application/json",
            headers={"Authorization": f"Bearer {key}", "Idempotency-Key": idempotency_key},
        )
    finally:
        connection.close()


@pytest.fixture
def live_rig(transactional_db):
    PlatformFactory()
    rig = GPUConfigurationFactory(portfolio=PortfolioFactory(user=UserFactory()), quantity=4)
    key = api_tokens.create_token(user=rig.portfolio.user, name="Rigs", scopes=["read", "ingest"])[1]
    return rig, key


def thousand(rig, **more):
    return quarters(rig, THOUSAND, days_ago=12, **more)


def test_a_thousand_items_in_twenty_parallel_posts_of_one_key(live_rig):
    """27: one batch, twenty times the same answer; the rows are stored once."""
    rig, key = live_rig
    items = thousand(rig)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _n: post(key, items, "night"), range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer for answer in answers) == 19
    assert post(key, thousand(rig, rented_gpus=2), "night").status_code == 422
    assert merging.merge_waiting() == 1
    assert (MetricSample.objects.count(), PerformanceMetric.objects.count()) == (THOUSAND, 11)


def test_many_mergers_at_once(live_rig):
    """Two mergers never store the same batch; posts in parallel and replays end in the rows of one."""
    rig, key = live_rig
    items = quarters(rig, 200, days_ago=5)

    def merge(_n):
        try:
            return merging.merge_waiting()
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        posts = [pool.submit(post, key, items, f"key-{n}") for n in range(6)]
        merged = sum(pool.map(merge, range(6)))
        assert {one.result().status_code for one in posts} == {202}
    merged += merging.merge_waiting()
    assert merged == 6
    assert MetricSample.objects.count() == 200
    assert sum(IngestBatch.objects.values_list("rows_changed", flat=True)) == 200


@contextmanager
def locked(gpu):
    """Another connection holds this GPU, as the import of a file does."""
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}) as other:
        other.execute("select 1 from gpu_configurations where id = %s for no key update", [gpu.pk])
        yield


def test_a_host_whose_gpus_are_locked_waits_and_holds_nobody_up(live_rig, monkeypatch):
    """All of a host's batches wait, in order; the others are merged, and the host is asked again soon."""
    rig, key = live_rig
    spare = GPUConfigurationFactory(portfolio=rig.portfolio, quantity=4)
    other = GPUConfigurationFactory(portfolio=PortfolioFactory(user=UserFactory()), quantity=4)
    other_key = api_tokens.create_token(user=other.portfolio.user, name="Rigs", scopes=["ingest"])[1]
    posts = [(key, [*quarters(rig, 2), *quarters(spare, 2)]), (key, quarters(spare, 2, rented_gpus=1))]
    for one, items in (posts[0], (other_key, quarters(other, 3)), posts[1]):
        assert post(one, items, str(uuid4())).status_code == 202
    nudged = []
    monkeypatch.setattr(merging, "nudge", lambda task, countdown: nudged.append((task, countdown)))
    with locked(rig):
        began = time.monotonic()
        assert merging.merge_waiting() == 1
        assert time.monotonic() - began < 5
    waiting = IngestBatch.objects.filter(user=rig.portfolio.user)
    assert [(batch.merged_at, batch.error) for batch in waiting] == [(None, "")] * 2
    assert set(MetricSample.objects.values_list("gpu_configuration", flat=True)) == {other.pk}
    assert nudged == [("portfolios.tasks.merge_waiting", merging.BUSY_AFTER)]
    assert merging.merge_waiting() == 2
    assert list(waiting.order_by("received_at").values_list("rows_changed", flat=True)) == [2, 2]
    assert set(spare.samples.values_list("rented_gpus", flat=True)) == {1}
    assert len(nudged) == 1


def test_after_a_batch_was_refused_a_locked_host_still_waits(live_rig):
    """A slice that is tried batch by batch closes the one at fault, and leaves alone those of a host who is locked."""
    rig, key = live_rig
    other = GPUConfigurationFactory(portfolio=PortfolioFactory(user=UserFactory()), quantity=4)
    other_key = api_tokens.create_token(user=other.portfolio.user, name="Rigs", scopes=["ingest"])[1]
    for one, items in ((key, quarters(rig, 1)), (other_key, quarters(other, 1)), (other_key, quarters(other, 2))):
        assert post(one, items, str(uuid4())).status_code == 202
    bad = IngestBatch.objects.filter(user=other.portfolio.user).earliest("received_at")
    bad.payload["lines"] = bad.payload["lines"].replace("0.30", "-7")
    bad.save(update_fields=["payload"])
    with locked(rig):
        merging.merge_waiting()
    states = IngestBatch.objects.order_by("received_at").values_list("rows_changed", flat=True)
    assert list(states) == [None, 0, 2]
    assert merging.merge_waiting() == 1
    assert list(states.all()) == [1, 0, 2]


PROGRAM = """
import sys, django
django.setup()
from django.conf import settings
from django.db import connection
connection.settings_dict["NAME"] = sys.argv[2]
{work}
"""
POSTS = """
import json
from django.test import Client
from django.db import connection
items = json.load(sys.stdin)
def slow(execute, sql, params, many, context):
    if sql.startswith("\\ninsert into ingest_batches"):
        result = execute("begin", None, False, context)
        result = execute(sql, params, many, context)
        print("inside", flush=True)
        import time; time.sleep(60)
    return execute(sql, params, many, context)
with connection.execute_wrapper(slow):
    Client().post("/api/v1/samples", json.dumps({"items": items}), content_type="application/json",
                  headers={"Authorization": "Bearer " + sys.argv[1], "Idempotency-Key": "night"})
"""
MERGES = """
from portfolios.ingest import merging
def stop(batches, changed, left_out):
    print("inside", flush=True)
    import time; time.sleep(60)
merging._close = stop
merging.merge_waiting()
"""


def killed_inside(work, *arguments, stdin=""):
    """Run a program of ours until it says that it is in the middle of its work, and kill it there."""
    source = PROGRAM.replace("{work}", work)
    with subprocess.Popen(
        [sys.executable, "-c", source, *arguments, connection.settings_dict["NAME"]],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"]},
        cwd=settings.BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        program.stdin.write(stdin)
        program.stdin.close()
        assert program.stdout.readline() == "inside\n"
        program.send_signal(signal.SIGKILL)
        assert program.wait() == -signal.SIGKILL
    until = time.monotonic() + 10  # the server notices that its client is gone
    while time.monotonic() < until and others_at_work():
        time.sleep(0.05)


def others_at_work():
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            " and state <> 'idle'"
        )
        return cursor.fetchone()[0]


@pytest.mark.slow
def test_a_process_killed_in_the_middle_of_a_post(live_rig):
    """Nothing half accepted: the program's retry with the same key is its first answer."""
    rig, key = live_rig
    items = thousand(rig)
    killed_inside(POSTS, key, stdin=json.dumps(items))
    assert not IngestBatch.objects.exists()
    answer = post(key, items, "night")
    assert (answer.status_code, "Idempotency-Replayed" in answer) == (202, False)
    merging.merge_waiting()
    assert MetricSample.objects.count() == THOUSAND


@pytest.mark.slow
def test_a_process_killed_in_the_middle_of_a_merge(live_rig):
    """Nothing half merged: the batch waits again, and the next run completes it."""
    rig, key = live_rig
    items = thousand(rig)
    assert post(key, items, "night").status_code == 202
    killed_inside(MERGES, key)
    assert (MetricSample.objects.count(), PerformanceMetric.objects.count()) == (0, 0)
    assert IngestBatch.objects.filter(merged_at=None).count() == 1
    assert merging.merge_waiting() == 1
    assert (MetricSample.objects.count(), PerformanceMetric.objects.count()) == (THOUSAND, 11)
    assert post(key, items, "night")["Idempotency-Replayed"] == "true"
