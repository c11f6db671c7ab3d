"""J10: bad market data at three in the morning. And the operators' mails, one per trouble and one when it is over."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.cache import caches
from django.urls import reverse

from alerts.evaluating import evaluate_prices
from alerts.models import Alert, AlertLog
from gpuadvisor.core import clock, mail
from gpuadvisor.core.models import Heartbeat, Incident, QueuedMail
from gpuadvisor.core.tasks import heartbeat
from gpuadvisor.operations import alive, incidents, status
from market import ingest, selectors
from market.catalog.services import load_catalog
from market.models import MarketData, Quarantine
from tests.factories import UserFactory
from tests.market.documents import document, machine, machines

pytestmark = pytest.mark.django_db
QUARTER, SOURCE = timedelta(minutes=15), "500farm_machines"
BOARDS = (("RTX 4090", 24564), ("RTX 3090", 24576), ("RTX 5090", 32607))


@pytest.fixture(autouse=True)
def site(settings):
    """Everything is up, one source is on, and one operator wants to be written to."""
    settings.MARKET_SIMULATION, settings.MARKET_SOURCES = False, [SOURCE]
    settings.OPERATOR_EMAILS = ["night@example.com"]
    load_catalog()
    for queue in ("bulk", "alerts", "ingest", "chat"):
        heartbeat(queue)
    alive.say("beat/here")


def offers(factor="1", count=30):
    told = []
    for n in range(1, count + 1):
        name, memory = BOARDS[n % 3]
        price = float((1 + Decimal(n) / 30) * Decimal(factor))
        told.append(machine(n, gpu_name=name, gpu_ram=memory, dph_base=price))
    return told


def tell(at, rows, **kwargs):
    report = ingest.refresh(SOURCE, document=document(machines(*rows, at=at), now=clock.now()), **kwargs)
    caches["pages"].clear()  # what pages keep for seconds
    return report


def mails():
    return [(row.to, mail.read(row).subject) for row in QueuedMail.objects.order_by("pk")]


def look(minutes=0):
    """What the watch does each minute, the troubles so far being so many minutes older."""
    age = timedelta(minutes=minutes)
    for row in Incident.objects.all():
        row.begun_at -= age
        row.red_since = row.red_since and row.red_since - age
        row.ended_at = row.ended_at and row.ended_at - age
        row.save()
    incidents.look()


def prices_until(until):
    """Good documents, the last of them at `until`, and a host who wants to hear of prices that go up."""
    up = {"gpu_model": "RTX 4090", "threshold": "10", "direction": "up", "offers": 1, "over_hours": 4}
    Alert.objects.create(user=UserFactory(), name="Up", alert_type="pricing_change", conditions=up)
    UserFactory.create_batch(3)
    for hours in (5, 4.75, 4.5, 4.25, 4, 3.75, 3.5, 3.25, 3, 0.25, 0):
        tell(until - timedelta(hours=hours), offers())


def market_part():
    return next(part for part in status.look() if part.key == "market")


@pytest.mark.slow
def test_j10_a_third_of_the_offers_at_sixty_percent_more(client):
    now = clock.now().replace(microsecond=0)
    good, bad = now - timedelta(minutes=29), now - timedelta(minutes=14, seconds=30)
    prices_until(good)
    evaluate_prices()
    look()
    assert (market_part().level, mails(), AlertLog.objects.count()) == ("ok", [], 0)
    before = list(MarketData.objects.order_by("pk").values())

    report = tell(bad, offers("1.6", count=10))  # 1 and 2: the quality rules hold the whole batch
    evaluate_prices()
    assert report.is_held
    assert list(MarketData.objects.order_by("pk").values()) == before
    assert AlertLog.objects.count() == 0
    assert "held back" in market_part().sentence  # 3: the page turns amber, with the age of the last good figures
    page = client.get(reverse("operations:status"))
    assert (market_part().level, 'class="badge warn"' in page.text) == ("amber", True)
    (source,) = market_part().sources
    assert (source.level, source.told_at) == ("amber", good)

    for _minute in range(6):  # one page to the operator, however long it lasts and whoever looks
        look(minutes=3)
    assert [to for to, _subject in mails()] == ["night@example.com"]
    assert f"source/{SOURCE}" in mails()[0][1]

    assert not tell(now, offers()).is_held  # 5: it recovers; the gap stays
    if ingest.bucket(bad) != ingest.bucket(now):
        assert not MarketData.objects.filter(data_timestamp=ingest.bucket(bad)).exists()
    look()
    assert (market_part().level, len(mails())) == ("ok", 1)
    look(minutes=6)
    look()
    assert [subject.split("] ")[1] for _to, subject in mails()][1:] == [f"over: source/{SOURCE}"]
    assert AlertLog.objects.count() == 0


@pytest.mark.slow
def test_the_same_figures_would_have_fired_had_nobody_held_them():
    """So that the silence above is no accident."""
    now = clock.now().replace(microsecond=0)
    prices_until(now - 4 * QUARTER)
    for step in (3, 2, 1, 0):
        tell(now - step * QUARTER, offers("1.6", count=10), hold=False)
    evaluate_prices()
    assert AlertLog.objects.count() == 1


@pytest.mark.parametrize(("hours", "rests"), [(11, True), (13, False)])
def test_j10_advice_pauses_after_twelve_hours(hours, rests):
    last_good = ingest.bucket(clock.now() - timedelta(hours=hours))
    tell(last_good, offers())
    assert tell(last_good + QUARTER, offers("1.6", count=10)).is_held
    rows = [row for row in selectors.market_on_platforms(["RTX 4090"]) if row.platform == "vast"]
    assert {(row.is_for_advice, row.is_hidden) for row in rows} == {(rests, False)}
    assert Quarantine.objects.get(scope="batch").decision == "open"


def stop_beat(minutes):
    Heartbeat.objects.filter(name__startswith="beat/").update(seen_at=clock.now() - timedelta(minutes=minutes))


def beat_mails():
    return [subject for _to, subject in mails() if "beat" in subject]


def test_red_is_told_once_it_lasts_five_minutes_and_once_when_over():
    stop_beat(40)
    look()
    look(minutes=4)
    assert beat_mails() == []
    for _ in range(3):
        look(minutes=2)
    assert len(beat_mails()) == 1
    alive.say("beat/here")
    look()
    stop_beat(40)
    look()  # back at once: it was not over
    assert len(beat_mails()) == 1
    assert Incident.objects.filter(name="beat").count() == 1
    alive.say("beat/here")
    look()
    look(minutes=6)
    assert [subject.split("] ")[1] for subject in beat_mails()] == ["trouble: beat", "over: beat"]


def test_amber_alone_wakes_nobody():
    stop_beat(10)
    for _ in range(4):
        look(minutes=5)
    assert Incident.objects.get(name="beat").level == "amber"
    assert beat_mails() == []


def test_without_the_setting_superusers_are_written_to(settings):
    settings.OPERATOR_EMAILS = []
    boss = UserFactory(is_staff=True, is_superuser=True)
    UserFactory(is_staff=True)
    stop_beat(40)
    look()
    look(minutes=6)
    assert {to for to, _subject in mails()} == {boss.email}


def test_the_page_says_since_when(client):
    stop_beat(40)
    look()
    look(minutes=30)
    caches["pages"].clear()
    site = next(part for part in status.parts() if part.key == "site")
    assert site.level == "amber"
    assert clock.now() - site.since > timedelta(minutes=29)


def test_machines_that_are_gone_are_forgotten_and_the_last_beat_is_not():
    old = clock.now() - timedelta(days=2)
    Heartbeat.objects.all().delete()
    for name in ("process/celery@gone", "beat/first", "beat/last", "queue/chat", "worker"):
        Heartbeat.objects.create(name=name, seen_at=old + timedelta(hours=name == "beat/last"))
    Incident.objects.create(name="x", level="red", begun_at=old, ended_at=clock.now() - timedelta(days=91))
    incidents.forget(clock.now())
    assert set(Heartbeat.objects.values_list("name", flat=True)) == {"beat/last", "queue/chat", "worker"}
    assert not Incident.objects.exists()
