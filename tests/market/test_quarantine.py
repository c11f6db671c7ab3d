"""R-037: what breaks a rule is written down once, decided by staff, and followed by the figures."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.models import AuditEntry
from market import decisions, ingest, quarantine, tasks
from market.models import MarketData, PricingSnapshot, Quarantine, SourceRun, UtilizationTrend
from tests.factories import UserFactory
from tests.market.documents import document, machine, machines

D = Decimal
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("catalog")]
QUARTER = timedelta(minutes=15)


def replay(data, **kwargs):
    return ingest.refresh("500farm_machines", document=document(data, now=clock.now(), **kwargs))


def cell(at=None, **where):
    rows = MarketData.objects.filter(**({"gpu_model": "RTX 4090", "region": "global"} | where))
    return rows.get(data_timestamp=ingest.bucket(at)) if at else rows.order_by("-data_timestamp").first()


@pytest.fixture
def start():
    return ingest.bucket(clock.now()) - timedelta(hours=2)


def figures():
    names = ("region", "data_timestamp", "median_price", "max_price", "offer_count")
    return sorted(MarketData.objects.values_list(*names))


def usual(dear=60.0, **changes):
    return [machine(n, dph_base=1.0 + n / 10, **changes) for n in range(1, 9)] + [machine(10, dph_base=dear)]


@pytest.fixture
def refused(start, catalog):
    """One machine of nine that stands at a holding price, in three documents."""
    for step in range(3):
        replay(machines(*usual(), at=start + step * QUARTER))
    return Quarantine.objects.get()


@pytest.fixture
def staff(db):
    return UserFactory(is_staff=True, is_superuser=True)


def decide(row, decision, user=None, **kwargs):
    return quarantine.decide(pks=[row.pk], decision=decision, user=user, **kwargs)


# -- Rows --------------------------------------------------------------------------------------------------------------


def test_a_refused_row_is_counted_once_per_document_and_stands_with_its_reason(refused, start):
    assert (refused.rule, refused.subject, refused.price, refused.gpu_model) == (
        "above_band",
        "10",
        D("30"),
        "RTX 4090",
    )
    assert (refused.platform, refused.scope, refused.decision, refused.times) == ("vast", "row", "open", 3)
    assert (refused.first_seen_at, refused.last_seen_at) == (start, start + 2 * QUARTER)
    assert "30" in refused.reason
    assert refused.fragment.startswith("RTX 4090 10: 30.0000 USD per GPU-hour; 2 GPUs, on_demand, US")
    assert refused.run == SourceRun.objects.order_by("-started_at").first()
    assert [cell(start + step * QUARTER).offer_count for step in range(3)] == [8, 8, 8]


def test_another_price_of_the_same_machine_is_another_row(refused, start):
    replay(machines(*usual(dear=80.0), at=start + 3 * QUARTER))
    assert sorted(Quarantine.objects.values_list("price", "times")) == [(D("30"), 3), (D("40"), 1)]


def test_a_row_that_cannot_be_read_goes_to_quarantine_too(start):
    replay(machines(*usual(dear=1.2), machine(11, dph_base=-1), at=start))
    row = Quarantine.objects.get()
    assert (row.rule, row.subject, row.price) == ("negative_price", "11", None)
    told = decide(row, "released")
    assert (told.rows, told.skipped) == (0, 1)
    assert decide(row, "confirmed").rows == 1


def test_a_released_row_counts_from_when_it_was_first_seen(refused, start):
    """The aggregates follow: rows, trends, offers; and the next documents take it as a normal offer."""
    decide(refused, "released")
    assert [cell(start + step * QUARTER).offer_count for step in range(3)] == [8, 8, 8]
    assert decisions.apply_due() == 1
    assert [cell(start + step * QUARTER).offer_count for step in range(3)] == [9, 9, 9]
    assert cell(region="europe") is None
    assert {cell(region=region).max_price for region in ("global", "US", "north-america")} == {D("30")}
    assert UtilizationTrend.objects.get(region="US").market_data_id == cell(region="US").pk
    offer = PricingSnapshot.objects.get(external_id="10")
    assert (offer.additional_features["released"], "refused" in offer.additional_features) == ("above_band", False)
    report = replay(machines(*usual(), at=start + 3 * QUARTER))
    assert (report.refused, cell(start + 3 * QUARTER).offer_count) == (0, 9)
    refused.refresh_from_db()
    assert (refused.times, refused.decision, refused.applied_at is None) == (4, "released", False)
    assert PricingSnapshot.objects.filter(external_id="10").count() == 1


def test_a_release_taken_back_leaves_no_trace_in_the_figures(refused, start):
    before = figures()
    decide(refused, "released")
    decisions.apply_due()
    refused.refresh_from_db()
    decide(refused, "confirmed")
    refused.refresh_from_db()
    assert refused.applied_at is None
    decisions.apply_due()
    assert figures() == before
    assert PricingSnapshot.objects.get(external_id="10").additional_features["refused"] == "above_band"


def test_a_confirmed_row_stays_out_silently(refused, start):
    decide(refused, "confirmed")
    refused.refresh_from_db()
    assert refused.applied_at is not None
    assert decisions.apply_due() == 0
    report = replay(machines(*usual(), at=start + 3 * QUARTER))
    assert (report.refused, cell().offer_count) == (1, 8)
    assert SourceRun.objects.order_by("-started_at").first().refusals == []
    refused.refresh_from_db()
    assert (refused.decision, refused.times) == ("confirmed", 4)


def test_only_the_model_and_platform_in_question_are_computed_again(refused, start):
    MarketData.objects.filter(region="US").update(median_price=9)
    other = MarketData.objects.create(gpu_model="RTX 3090", platform="vast", data_timestamp=start, median_price=9)
    decide(refused, "released")
    decisions.apply_due()
    assert cell(region="US").median_price != 9
    other.refresh_from_db()
    assert other.median_price == 9


def test_what_fails_stays_due_and_is_tried_again(refused, monkeypatch):
    decide(refused, "released")

    def broken(*args, **kwargs):
        raise RuntimeError("database went away")

    monkeypatch.setattr(decisions, "recompute", broken)
    assert decisions.apply_due() == 0
    monkeypatch.undo()
    assert tasks.apply_decisions() == 1
    assert cell().offer_count == 9


# -- Batches -----------------------------------------------------------------------------------------------------------


def market(factor=1.0, count=30, at=None):
    """Three models of ten machines each; prices and number can be faulty as a whole."""
    boards = (("RTX 4090", 24564), ("RTX 3090", 24576), ("RTX 5090", 32607))
    rows = []
    for n in range(1, count + 1):
        name, memory = boards[n % 3]
        rows.append(machine(n, gpu_name=name, gpu_ram=memory, dph_base=(1 + n / 30) * factor))
    return machines(*rows, at=at)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [({"factor": 10.0}, "scale_step"), ({"factor": 0.1}, "scale_step"), ({"count": 11}, "offers_lost")],
    ids=["dearer", "cheaper", "lost"],
)
def test_a_document_that_breaks_with_the_past_is_held_as_a_whole(start, fault, rule):
    replay(market(at=start))
    before = list(MarketData.objects.order_by("pk").values())
    report = replay(market(at=start + QUARTER, **fault))
    assert (report.status, report.is_held, report.rows) == ("failed", True, 0)
    assert list(MarketData.objects.order_by("pk").values()) == before
    run = SourceRun.objects.order_by("-started_at").first()
    assert (run.status, run.is_held, run.error[:5]) == ("failed", True, "Held:")
    held = Quarantine.objects.get(scope="batch")
    assert (held.rule, held.run, held.subject, held.platform) == (rule, run, run.sha256, "vast")
    assert not Quarantine.objects.filter(scope="row").exists()
    assert not PricingSnapshot.objects.filter(snapshot_time__gt=start).exists()


def test_a_released_batch_is_stored_and_is_what_the_next_ones_are_compared_with(start):
    replay(market(at=start))
    dear = market(factor=10.0, at=start + QUARTER)
    replay(dear)
    held = Quarantine.objects.get()
    decide(held, "released", note="the market did move")
    assert not MarketData.objects.filter(data_timestamp=start + QUARTER).exists()
    assert decisions.apply_due() == 1
    assert cell(start + QUARTER).median_price == 10 * cell(start).median_price
    held.refresh_from_db()
    assert (held.applied_at is not None, held.note) == (True, "the market did move")
    assert replay(market(factor=11.0, at=start + 2 * QUARTER)).status == "ok"
    assert replay(market(factor=0.1, at=start + 3 * QUARTER)).is_held
    assert decisions.apply_due() == 0


def test_a_confirmed_batch_changes_nothing(start):
    replay(market(at=start))
    replay(market(factor=10.0, at=start + QUARTER))
    before = list(MarketData.objects.order_by("pk").values())
    decide(Quarantine.objects.get(), "confirmed")
    assert decisions.apply_due() == 0
    assert list(MarketData.objects.order_by("pk").values()) == before
    assert replay(market(factor=10.0, at=start + QUARTER)).is_held
    assert (Quarantine.objects.get().times, Quarantine.objects.get().decision) == (2, "confirmed")


def test_a_released_batch_cannot_be_taken_back(start):
    replay(market(at=start))
    replay(market(factor=10.0, at=start + QUARTER))
    row = Quarantine.objects.get()
    decide(row, "released")
    assert decide(row, "confirmed").why[0].startswith("A released batch is part of the figures already.")


def test_of_one_source_the_newest_three_documents_are_kept_and_none_for_longer_than_two_weeks(start):
    replay(market(at=start))
    for step in range(1, 6):
        replay(market(factor=10.0 + step, at=start + step * timedelta(minutes=1)))
    kept = Quarantine.objects.filter(document__isnull=False)
    assert (Quarantine.objects.count(), kept.count()) == (5, 3)
    dropped = Quarantine.objects.filter(document=None).first()
    assert "was dropped" in decide(dropped, "released").why[0]
    kept.filter(pk=kept.first().pk).update(first_seen_at=clock.now() - timedelta(days=15))
    tasks.apply_decisions()
    assert kept.count() == 2


# -- Staff -------------------------------------------------------------------------------------------------------------


def test_staff_see_what_is_open_first_and_decide_in_the_list(client, staff, refused, start):
    replay(machines(*usual(dear=80.0), at=start + 3 * QUARTER))
    decide(refused, "confirmed")
    client.force_login(staff)
    page = client.get(reverse("admin:market_quarantine_changelist"))
    assert [row.decision for row in page.context["cl"].result_list] == ["open", "confirmed"]
    row = Quarantine.objects.get(decision="open")
    data = {"action": "release", "_selected_action": [str(row.pk)], "note": "a dear machine, but real"}
    answer = client.post(reverse("admin:market_quarantine_changelist"), data, follow=True)
    assert "1 row decided. The figures follow within a minute." in answer.content.decode()
    row.refresh_from_db()
    assert (row.decision, row.decided_by, row.note) == ("released", staff, "a dear machine, but real")
    assert row.applied_at is None
    entry = AuditEntry.objects.order_by("-at").first()
    assert (entry.action, entry.user) == ("market.quarantine.released", staff)
    assert entry.details["row"] == str(row.pk)


def test_staff_read_a_row_with_its_run_and_cannot_type_over_it(client, staff, refused):
    client.force_login(staff)
    url = reverse("admin:market_quarantine_change", args=[refused.pk])
    page = client.get(url).content.decode()
    assert reverse("admin:market_sourcerun_change", args=[refused.run_id]) in page
    assert refused.fragment in page
    assert client.post(url, {"decision": "released"}).status_code == 403
    for query in ({"decision__exact": "open"}, {"rule": "above_band", "source": "500farm_machines"}, {"q": "10"}):
        assert client.get(reverse("admin:market_quarantine_changelist"), query).status_code == 200


def test_only_staff_who_may_change_quarantine_decide(client, refused):
    from django.contrib.auth.models import Permission

    reader = UserFactory(is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_quarantine"))
    client.force_login(reader)
    page = client.get(reverse("admin:market_quarantine_changelist"))
    assert page.status_code == 200
    data = {"action": "release", "_selected_action": [str(refused.pk)]}
    client.post(reverse("admin:market_quarantine_changelist"), data)
    refused.refresh_from_db()
    assert refused.decision == "open"


def test_a_decision_that_is_none_is_refused(refused):
    with pytest.raises(DomainError):
        decide(refused, "open")


def test_a_row_of_the_simulated_market_is_not_released(refused):
    """It would move nothing, and staff would wait for it."""
    Quarantine.objects.filter(pk=refused.pk).update(source="simulated")
    decided = decide(refused, "released")
    assert (decided.rows, len(decided.why)) == (0, 1)
    assert "simulated market" in decided.why[0]


def test_redis_may_be_away_a_decision_is_only_late(refused, django_capture_on_commit_callbacks, monkeypatch):
    nudged = []
    monkeypatch.setattr(quarantine, "nudge", nudged.append)
    with django_capture_on_commit_callbacks(execute=True):
        decide(refused, "released")
    assert nudged == [quarantine.APPLY_TASK]
    from gpuadvisor.celery import app

    assert app.conf.beat_schedule["market.apply-decisions"]["task"] == quarantine.APPLY_TASK
    assert quarantine.APPLY_TASK in app.tasks
