"""Read-only mode and sentences for everybody: what hosts, programs, Stripe and staff meet (step 7, part 1)."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.cache import caches
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from gpuadvisor.accounts import api_tokens
from gpuadvisor.core import clock
from gpuadvisor.core.models import AuditEntry
from gpuadvisor.operations import messages, mode
from gpuadvisor.operations.models import SiteMode, SystemMessage
from tests.factories import PASSWORD, PortfolioFactory, UserFactory
from tests.test_access import MEMBER, OWNED, PUBLIC, ROUTES, address

SENTENCE = "We move to a larger disk until 14:00."


@pytest.fixture(autouse=True)
def fresh_cache():
    """What a test stored is told at once, and no other test meets it."""
    for key in (mode.KEY, messages.KEY):
        caches["pages"].delete(key)
    yield
    for key in (mode.KEY, messages.KEY):
        caches["pages"].delete(key)


@pytest.fixture
def read_only(db):
    mode.switch(is_read_only=True, sentence=SENTENCE)


@pytest.fixture
def root(db):
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def test_every_write_is_refused_and_says_why(read_only, host_client, world):
    """503, the sentence, and when to come again, on every door that writes."""
    for name in sorted({*MEMBER, *OWNED, *PUBLIC} & set(ROUTES)):
        answer = host_client.post(address(name, world), headers={"HX-Request": "true"})
        if answer.status_code != 503:
            assert name.startswith(("account_", "mfa_", "usersessions_", "operations:", "accounts:demo")), name
        else:
            assert answer["Retry-After"] == "300", name


def test_a_page_says_that_nothing_was_changed(read_only, host_client, host):
    answer = host_client.post(reverse("portfolios:create"), {"name": "Cellar"})
    assert answer.status_code == 503
    assert SENTENCE in answer.content.decode()
    assert not host.portfolios.exists()


def test_everybody_reads_and_is_told(read_only, host_client, host):
    PortfolioFactory(user=host)
    for page in ("portfolios:list", "market:home", "accounts:settings"):
        answer = host_client.get(reverse(page))
        assert answer.status_code == 200
        assert SENTENCE in answer.content.decode()


def test_a_program_gets_a_problem(read_only, client, host):
    _row, key = api_tokens.create_token(user=host, name="rig", scopes=["read", "ingest"])
    answer = client.post(
        reverse("api-v1:metrics"), "{}", content_type="application/json", headers={"Authorization": f"Bearer {key}"}
    )
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
    assert (answer.json()["detail"], answer["Retry-After"]) == (SENTENCE, "300")


def test_stripe_and_platforms_come_again(read_only, client):
    """A 503 is no answer to them: they send the event later."""
    assert client.post(reverse("billing:webhook"), "{}", content_type="application/json").status_code == 503
    assert client.post("/alerts/in/" + "t" * 40, "{}", content_type="application/json").status_code == 503


def test_signing_in_and_out_works(read_only, client, host):
    answer = client.post(reverse("account_login"), {"login": host.email, "password": PASSWORD})
    assert answer.status_code == 302
    assert client.get(reverse("portfolios:list")).wsgi_request.user == host
    assert client.post(reverse("account_logout")).status_code == 302


def test_staff_write_in_the_admin_and_switch_it_off_there(read_only, root, django_capture_on_commit_callbacks):
    url = reverse("admin:operations_sitemode_change", args=[1])
    with django_capture_on_commit_callbacks(execute=True):
        assert root.post(url, {"sentence": ""}).status_code == 302
    assert not SiteMode.objects.get().is_read_only
    assert not mode.current().is_read_only
    assert AuditEntry.objects.filter(action="operations.open").exists()


def test_a_command_switches_it(db, django_capture_on_commit_callbacks):
    out = StringIO()
    with django_capture_on_commit_callbacks(execute=True):
        call_command("read_only", "on", sentence=SENTENCE, stdout=out)
    assert mode.current() == mode.Mode(is_read_only=True, sentence=SENTENCE)
    assert SENTENCE in out.getvalue()
    with django_capture_on_commit_callbacks(execute=True):
        call_command("read_only", "off", stdout=out)
    assert not mode.current().is_read_only
    assert out.getvalue().endswith("Open: hosts may write.\n")


# -- Sentences ---------------------------------------------------------------------------------------------------------
def say(root, text, *, begins=timedelta(0), lasts=timedelta(hours=1), level="warn"):
    begin = clock.now() + begins
    end = begin + lasts
    form = {"text": text, "level": level}
    for name, moment in (("begins_at", begin), ("ends_at", end)):
        form |= {f"{name}_0": f"{moment:%Y-%m-%d}", f"{name}_1": f"{moment:%H:%M:%S}"}
    return root.post(reverse("admin:operations_systemmessage_add"), form)


def test_a_sentence_stands_on_every_page_from_and_until(root, client, host, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        assert say(root, "Stripe is slow today", begins=-timedelta(minutes=1)).status_code == 302
        assert say(root, "Tomorrow", begins=timedelta(days=1)).status_code == 302
        assert say(root, "Yesterday", begins=-timedelta(days=1)).status_code == 302
    client.force_login(host)
    for page in ("portfolios:list", "market:home", "billing:pricing"):
        body = client.get(reverse(page)).content.decode()
        assert "Stripe is slow today" in body
        assert "Tomorrow" not in body
        assert "Yesterday" not in body
    assert AuditEntry.objects.filter(action="operations.message-begun").count() == 3


def test_a_sentence_is_text_and_no_page(root, client, db, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        say(root, "<script>alert(1)</script>", begins=-timedelta(minutes=1))
    body = client.get(reverse("market:home")).content.decode()
    assert "&lt;script&gt;alert(1)" in body
    assert "<script>alert(1)" not in body


def test_a_sentence_that_ends_before_it_begins_gets_a_message(root):
    answer = say(root, "Never", lasts=-timedelta(hours=1))
    assert answer.status_code == 200
    assert "It must end after it begins." in answer.content.decode()


def test_ended_sentences_go_at_once(root, client, db, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        say(root, "Gone soon", begins=-timedelta(minutes=1))
    assert "Gone soon" in client.get(reverse("market:home")).content.decode()
    form = {"action": "end_now", "_selected_action": [str(SystemMessage.objects.get().pk)]}
    with django_capture_on_commit_callbacks(execute=True):
        root.post(reverse("admin:operations_systemmessage_changelist"), form)
    assert "Gone soon" not in client.get(reverse("market:home")).content.decode()


def test_a_dead_redis_takes_no_page_down(root, client, settings, monkeypatch):
    """Sentences and mode are read from the database then."""
    from gpuadvisor.core.cache import BreakerRedis

    SystemMessage.objects.create(
        text="Redis is away", begins_at=clock.now() - timedelta(minutes=1), ends_at=clock.now() + timedelta(hours=1)
    )
    for breaker in {id(one): one for one in BreakerRedis._breakers.values()}.values():
        monkeypatch.setattr(type(breaker), "is_open", True)
    caches["pages"]._memory.clear()
    body = client.get(reverse("market:home")).content.decode()
    assert "Redis is away" in body
    caches["pages"]._memory.clear()
