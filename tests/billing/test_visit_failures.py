"""Ways to Stripe where Stripe, a worker or Redis fail: a sentence in time, and nothing twice."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import stripe
from django.db import connection
from django.urls import reverse

from billing import client as door
from billing import tasks, visits
from billing.models import Visit
from gpuadvisor.core import clock
from tests.billing.visiting import begin, prepared

FAULTS = ("drip", "429", "500", "503")  # beside a hang


@pytest.mark.parametrize("fault", ["hang", *(pytest.param(one, marks=pytest.mark.slow) for one in FAULTS)])
def test_a_stripe_in_trouble_is_a_sentence_in_time(shop, host, host_client, monkeypatch, fault):
    """Every page answers at once; what it says comes after SECONDS at the latest."""
    monkeypatch.setattr(visits, "SECONDS", 0.4)
    monkeypatch.setattr(stripe, "max_network_retries", 0)
    shop.fault(fault, times=0, seconds=3 if fault == "hang" else 0.05)
    began = time.monotonic()
    visit = prepared(host)
    assert time.monotonic() - began < 1
    assert (visit.state, visit.error) == ("failed", "away")
    page = host_client.get(reverse("billing:visit", args=[visit.pk])).content.decode()
    assert "Stripe does not answer just now. Nothing was charged." in page
    assert "Try again" in page
    shop.clear_faults()
    assert prepared(host).state == "ready"


def test_the_clock_of_a_job_leaves_time_for_its_sentence():
    """15 s after the click there is a sentence: from the job, or that it takes long."""
    assert visits.SECONDS + 2 < 15
    assert visits.SLOW.total_seconds() + 2 < 15


def test_a_key_that_stripe_refuses_is_told_apart(shop, host, monkeypatch):
    monkeypatch.setattr(stripe, "api_key", "sk_live_wrong")
    visit = prepared(host)
    shown = visits.state(visit)
    assert (shown.word, visit.error, shown.may_try_again) == ("failed", "key", False)
    assert "STRIPE_KEY" in str(shown.hint)


@pytest.mark.slow
def test_an_answer_that_was_lost_makes_nothing_twice(shop, host, monkeypatch):
    """Stripe took the call and did not answer: the library asks again with the same key."""
    monkeypatch.setattr(stripe, "max_network_retries", 1)
    shop.fault("closed", "POST /v1/customers", after=True)
    shop.fault("closed", "POST /v1/checkout", after=True)
    assert prepared(host).state == "ready"
    assert len(stripe.Customer.list().data) == len(stripe.checkout.Session.list().data) == 1


def test_while_stripe_is_away_no_worker_waits_for_it_each_time(shop, host):
    for _ in range(visits.AWAYS):
        Visit.objects.create(user=host, kind="portal", state="failed", error="away", begun_at=clock.now())
    before = len(shop.journal())
    assert prepared(host).error == "away"
    assert len(shop.journal()) == before


def test_without_a_worker_the_page_says_that_it_takes_long(host, billing_on, host_client):
    visit = begin(host)
    url = reverse("billing:visit", args=[visit.pk])
    assert "being prepared" in host_client.get(url).content.decode()
    Visit.objects.filter(pk=visit.pk).update(begun_at=clock.now() - timedelta(seconds=11))
    assert "takes longer than it should" in host_client.get(url).content.decode()
    Visit.objects.filter(pk=visit.pk).update(begun_at=clock.now() - timedelta(minutes=11))
    assert "Start again" in host_client.get(url).content.decode()
    assert begin(host) != visit


def test_the_sweep_brings_what_no_nudge_brought_and_ends_what_is_old(shop, host, stranger, monkeypatch):
    """Redis was away, or a worker died in the middle: its lease runs out."""
    told = []
    monkeypatch.setattr(visits, "nudge", lambda task, pk: told.append(pk))
    now = clock.now()
    lost = begin(host)
    late = begin(stranger)
    Visit.objects.filter(pk=lost.pk).update(
        begun_at=now - timedelta(seconds=40), lease_until=now - timedelta(seconds=1)
    )
    Visit.objects.filter(pk=late.pk).update(begun_at=now - timedelta(minutes=11))
    assert tasks.sweep_visits() == 1
    assert told == [str(lost.pk)]
    late.refresh_from_db()
    assert (late.state, late.error) == ("failed", "late")
    assert tasks.prepare_visit(str(lost.pk))
    assert not tasks.prepare_visit(str(late.pk))


def test_a_worker_killed_in_the_middle_leaves_nothing_double(shop, host):
    """It had made the session and died before it wrote that down: the next gets the same from Stripe."""
    visit = begin(host)
    claimed = visits._claim(visit.pk)
    assert not visits.prepare(visit.pk)  # leased
    with door.within(5):
        visits.preparing.make(claimed)
    Visit.objects.filter(pk=visit.pk).update(lease_until=clock.now() - timedelta(seconds=1))
    assert visits.prepare(visit.pk)
    assert not visits._record(claimed, state="failed")
    assert len(stripe.Customer.list().data) == len(stripe.checkout.Session.list().data) == 1


def test_a_bug_of_ours_ends_in_a_sentence(shop, host, monkeypatch):
    monkeypatch.setattr(visits.preparing, "make", lambda visit: 1 / 0)
    visit = prepared(host)
    assert (visit.error, visits.state(visit).may_try_again) == ("unknown", True)


@pytest.mark.django_db(transaction=True)
def test_clicks_in_parallel_make_one_visit_one_customer_one_session(shop, host, monkeypatch):
    monkeypatch.setattr(visits, "nudge", lambda *args: None)

    def click(_number):
        try:
            visit = begin(host)
            tasks.prepare_visit(str(visit.pk))
            return visit.pk
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        assert len(set(pool.map(click, range(20)))) == 1
    assert len(stripe.Customer.list().data) == len(stripe.checkout.Session.list().data) == 1
    assert Visit.objects.get().state == "ready"
