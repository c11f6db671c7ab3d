"""`refresh_market`, the Celery doorways and the admin."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from gpuadvisor.core import clock
from gpuadvisor.core.models import JobRun
from market import ingest, schedule, tasks
from market.cache import kept
from market.models import GPUAlias, GPUModel, MarketData, Platform, SourceRun
from market.sources import SOURCES
from market.sources.base import RawDocument, SourceError
from tests.factories import MarketDataFactory, UserFactory
from tests.market.documents import gpu_type, gpu_types, machine, machines

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("catalog")]


@pytest.fixture
def unreachable(monkeypatch):
    def fetch(conditional):
        raise SourceError("nobody there")

    for source in SOURCES.values():
        if source.origin == "live":
            monkeypatch.setattr(source, "fetch", fetch)


@pytest.fixture
def file(tmp_path):
    def write(data):
        path = tmp_path / "document.json"
        path.write_text(json.dumps(data))
        return path

    return write


def test_a_recorded_document_is_replayed(file, capsys):
    path = file(machines(machine(), machine(2, dph_base=-1), at=clock.now()))
    call_command("refresh_market", source=["500farm_machines"], from_file=path)
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("500farm_machines: ok, 3 rows (3 new or different), 1 refused, ")
    assert told[1] == "  1 × price is negative"
    assert MarketData.objects.count() == 3


def test_a_replay_may_say_when_it_counts_as_observed(file):
    path = file(gpu_types(gpu_type()))
    call_command("refresh_market", "--source", "runpod", "--from-file", str(path), "--at", "2026-06-12T13:37:00Z")
    assert MarketData.objects.get().data_timestamp.isoformat() == "2026-06-12T13:30:00+00:00"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--from-file", "nowhere.json", "--source", "runpod"], "cannot be read"),
        (["--from-file", "nowhere.json"], "needs one --source"),
        (["--at", "2026-06-12"], "--at needs --from-file"),
        (["--source", "nobody"], "invalid choice"),
        (["--from-file", __file__, "--source", "runpod", "--at", "noon"], "is no time such as"),
    ],
)
def test_wrong_arguments_are_one_sentence(arguments, error):
    with pytest.raises(CommandError, match=error):
        call_command("refresh_market", *arguments)


def test_the_command_fails_only_if_every_source_failed(unreachable, monkeypatch, capsys, settings):
    with pytest.raises(SystemExit) as caught:
        call_command("refresh_market")
    assert caught.value.code == 1
    out = capsys.readouterr().out
    on = [name for name in settings.MARKET_SOURCES if name in SOURCES and not schedule.why_off(name)]
    assert out.count("failed, 0 rows") == len(on)
    assert "lambda: off, needs LAMBDA_API_KEY" in out
    body = json.dumps(gpu_types(gpu_type())).encode()
    monkeypatch.setattr(SOURCES["runpod"], "fetch", lambda conditional: RawDocument(body, 200, conditional.now))
    call_command("refresh_market")
    assert SourceRun.objects.filter(source="runpod").order_by("-started_at").first().status == "ok"


def test_each_source_is_its_own_task_spread_over_the_slot(monkeypatch, settings):
    """R-034: each source alone."""
    settings.MARKET_SOURCES = ["500farm_machines", "runpod", "nobody"]
    queued = []
    monkeypatch.setattr(
        tasks.refresh_source, "apply_async", lambda args, countdown: queued.append((args[0], countdown))
    )
    monkeypatch.setattr(tasks.simulate, "apply_async", lambda countdown: queued.append(("simulate", countdown)))
    assert tasks.refresh_market() == 2
    assert [name for name, _countdown in queued] == ["500farm_machines", "runpod", "simulate"]
    assert all(0 <= countdown <= 60 for _name, countdown in queued)


def test_a_source_is_asked_once_per_slot(monkeypatch):
    """Promise 29."""
    asked = []

    def fetch(conditional):
        asked.append(conditional)
        return RawDocument(json.dumps(gpu_types(gpu_type())).encode(), 200, conditional.now)

    monkeypatch.setattr(SOURCES["runpod"], "fetch", fetch)
    moment = clock.now()
    monkeypatch.setattr(tasks.clock, "now", lambda: moment)
    assert (tasks.refresh_source("runpod"), tasks.refresh_source("runpod")) == (1, 0)
    assert len(asked) == 1
    assert JobRun.objects.get(job="market:runpod").rows == 1


@pytest.mark.slow
def test_where_no_source_answers_the_simulated_market_speaks(unreachable, monkeypatch):
    monkeypatch.setattr(tasks, "FILL_IN_SECONDS", 0)
    assert tasks.refresh_source("runpod") == 0
    assert tasks.simulate() > 0
    assert set(MarketData.objects.values_list("origin", flat=True)) == {"simulated"}
    assert JobRun.objects.get(job="market:runpod").error == "nobody there"


@pytest.mark.parametrize(
    "model",
    [
        "gpumodel",
        "gpualias",
        "unknowngpuname",
        "platform",
        "marketdata",
        "pricingsnapshot",
        "utilizationtrend",
        "sourcerun",
    ],
)
def test_staff_can_list_and_search_everything(client, model):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    ingest.refresh("runpod", document=RawDocument(json.dumps(gpu_types(gpu_type())).encode(), 200, clock.now()))
    MarketDataFactory(data_timestamp=clock.now())
    for query in ({}, {"q": "RTX 4090"}, {"p": "1"}):
        assert client.get(reverse(f"admin:market_{model}_changelist"), query).status_code == 200


def test_staff_look_at_what_the_market_said_and_do_not_type_over_it(client):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    row = MarketDataFactory(data_timestamp=clock.now())
    url = reverse("admin:market_marketdata_change", args=[row.pk])
    assert client.get(url).status_code == 200
    assert client.post(url, {"median_price": "1"}).status_code == 403
    assert client.get(reverse("admin:market_marketdata_add")).status_code == 403


def test_staff_mark_platforms_as_checked_today_and_the_file_no_longer_outranks_them(client):
    """A platform says on which day it was looked at."""
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    Platform.objects.filter(slug="vast").update(fee_rules="As our own contracts say.")
    chosen = [str(pk) for pk in Platform.objects.filter(slug__in=["vast", "clore"]).values_list("pk", flat=True)]
    url = reverse("admin:market_platform_changelist")
    answer = client.post(url, {"action": "mark_checked", "_selected_action": chosen}, follow=True)
    assert "2 platforms checked." in answer.text
    assert set(Platform.objects.filter(checked_date=clock.today()).values_list("slug", flat=True)) == {"vast", "clore"}
    call_command("load_gpu_catalog", verbosity=0)
    assert Platform.objects.get(slug="vast").fee_rules == "As our own contracts say."


@pytest.fixture
def forgets(django_capture_on_commit_callbacks):
    """Whether what was kept before a change is made anew after it."""

    def forgets(change):
        kept("x", lambda: "old")
        with django_capture_on_commit_callbacks(execute=True):
            change()
        return kept("x", lambda: "new") == "new"

    return forgets


def test_a_load_that_changes_something_lets_pages_forget(forgets):
    assert not forgets(lambda: call_command("load_gpu_catalog", verbosity=0))
    GPUModel.objects.filter(name="RTX 4090").update(memory_gb=23)
    assert forgets(lambda: call_command("load_gpu_catalog", verbosity=0))


def test_what_staff_save_or_delete_is_forgotten(client, forgets):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    model = GPUModel.objects.get(name="RTX 4090")
    alias = {"source": "vast", "spelling": "made up", "gpu_model": str(model.pk)}
    card = {"name": model.name, "slug": model.slug, "manufacturer": "NVIDIA", "memory_gb": "24"}
    card |= {"base_power_consumption": "450", "specifications": "{}", "aliases-TOTAL_FORMS": "1"}
    card |= {"aliases-INITIAL_FORMS": "0", "aliases-0-source": "vast", "aliases-0-spelling": "inline"}
    platform = {"slug": "new", "name": "New", "status": "closed", "mapping_schema": "{}"}

    def post(name, data, *args):
        return lambda: client.post(reverse(f"admin:market_{name}", args=args), data)

    assert forgets(post("gpualias_add", alias))
    assert forgets(post("gpumodel_change", card, model.pk))
    assert forgets(post("platform_add", platform))
    made = GPUAlias.objects.get(spelling="made up")
    assert forgets(post("gpualias_delete", {"post": "yes"}, made.pk))
    rows = {"action": "delete_selected", "post": "yes"}
    rows["_selected_action"] = [str(GPUAlias.objects.get(spelling="inline", gpu_model=model).pk)]
    assert forgets(post("gpualias_changelist", rows))
    assert Platform.objects.filter(slug="new").exists()
    assert not GPUAlias.objects.filter(spelling__in=["made up", "inline"]).exists()
