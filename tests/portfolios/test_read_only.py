"""A portfolio that the plan has no room for is read-only at every door; its pages and files stay open (R-033, J7.4)."""

import html
import json
from datetime import timedelta

import pytest
from django.db import transaction
from django.urls import reverse

from alerts import services as alert_services
from billing import limits
from gpuadvisor.accounts import api_tokens
from gpuadvisor.core import advising, clock
from gpuadvisor.core.errors import DomainError
from portfolios import services, shrinking
from portfolios.ingest import merging
from portfolios.insights import insights_open
from portfolios.insights.gather import facts_of
from portfolios.models import (
    GPUConfiguration,
    Insight,
    MetricImport,
    MetricImportRow,
    OptimizationSuggestion,
    PerformanceMetric,
    Portfolio,
)
from portfolios.suggestions import service as suggestions
from portfolios.suggestions.gather import in_use
from portfolios.suggestions.selectors import in_state
from portfolios.urls import urlpatterns
from tests.factories import GPUConfigurationFactory, PortfolioFactory, UserFactory
from tests.portfolios.test_imports import choices, send
from tests.test_access import OWNED

SENTENCE = "is read-only since your plan has no room for it"
GPU_FIELDS = {"gpu_model": "RTX 4090", "quantity": "3", "custom_name": "Rack 9"}
# What a form of each write sends; every one of them must be refused. `...` stands for the key of another row.
WRITES = {
    "edit": {"name": "Another name"},
    "costs": {"currency": "USD", "price_per_kwh": "0.31"},
    "gpu-costs": {"currency": "USD", "price_per_kwh": "0.31"},
    "gpu-add": GPU_FIELDS,
    "gpu-edit": GPU_FIELDS,
    "gpu-move": {"portfolio": ...},
    "gpu-remove": {},
    "metric-add": {"platform": "vast", "metric_date": ..., "utilization_percentage": "5"},
    "metric-edit": {"utilization_percentage": "5"},
    "metric-delete": {},
    "price-change-add": {"platform": "vast", "changed_at": "2026-01-05T10:00", "to_rate": "0.51"},
    "price-change-delete": {},
    "suggestion-accept": {},
    "suggestion-reject": {"reason": "effort"},
    "suggestion-snooze": {"days": "3"},
    "suggestion-done": {"to_rate": "0.44"},
    "insight-dismiss": {},
    "compset-assign": {"comp_set": ...},
}
# What may be posted: of the account, of a plan or of another portfolio; or what makes room.
ELSEWHERE = {
    *("create", "calculator-save", "welcome", "welcome-power", "welcome-platform", "welcome-goal", "welcome-leave"),
    *("restore", "plan-activate", "plan-delete", "fees", "fee-delete", "checkup"),
    *("compset-create", "compset-edit", "compset-delete", "compset-default"),
    *("metric-import", "metric-import-preview", "metric-import-columns", "metric-import-discard", "metric-import-undo"),
}
MAKES_ROOM = {"deactivate"}


def pictures(portfolio):
    """All rows of a portfolio and of what is in it, whichever tables refer to it."""
    gpus = list(GPUConfiguration.objects.filter(portfolio=portfolio).values_list("pk", flat=True))
    found = {"portfolio": list(Portfolio.objects.filter(pk=portfolio.pk).values())}
    for model, keys in ((Portfolio, [portfolio.pk]), (GPUConfiguration, gpus)):
        for relation in model._meta.related_objects:
            rows = relation.related_model.objects.filter(**{f"{relation.field.name}__in": keys})
            found[f"{relation.related_model.__name__} by {relation.field.name}"] = list(rows.order_by("pk").values())
    return found


@pytest.fixture
def rig(world, host):
    """The portfolio of `world`, and another that is open."""
    portfolio = Portfolio.objects.get(pk=world["portfolio"])
    Insight.objects.filter(pk=world["insight"]).update(portfolio=portfolio)
    return portfolio


def close(portfolio):
    with transaction.atomic():
        shrinking.close(portfolio.user, [portfolio.pk])
    portfolio.refresh_from_db()


def open_again(portfolio):
    with transaction.atomic():
        shrinking.open_again(portfolio.user, [portfolio.pk])
    portfolio.refresh_from_db()


def form_of(name, world, other):
    ours = {"portfolio": other.pk, "metric_date": clock.today().isoformat(), "comp_set": world["comp_set"]}
    return {field: ours[field] if value is ... else value for field, value in WRITES[name].items()}


def address(name, world):
    owned = OWNED.get(f"portfolios:{name}")
    return reverse(f"portfolios:{name}", args=[world[owned]] if owned else None)


# -- Pages -------------------------------------------------------------------------------------------------------------
def test_every_write_route_refuses_and_no_row_changes(host_client, host, world, rig):
    """Whatever route is added to portfolios/urls.py is either a read, in one of the lists above, or fails here."""
    other = PortfolioFactory(user=host)

    def posted(name):
        return host_client.post(address(name, world), form_of(name, world, other) if name in WRITES else {})

    close(rig)
    before = pictures(rig)
    with transaction.atomic():
        for name in WRITES:
            response = posted(name)
            assert (response.status_code, SENTENCE in html.unescape(response.content.decode())) == (422, True), name
        for name in sorted({pattern.name for pattern in urlpatterns} - {*WRITES, *MAKES_ROOM, None}):
            assert posted(name).status_code == 405 or name in ELSEWHERE, name
        assert pictures(rig) == before
        transaction.set_rollback(True)
    open_again(rig)
    before = pictures(rig)
    for name in WRITES:
        with transaction.atomic():
            response = posted(name)
            assert (response.status_code, pictures(rig) != before) == (302, True), f"{name} would change nothing anyway"
            transaction.set_rollback(True)


def test_the_refusal_names_the_way_out(host_client, world, rig):
    close(rig)
    url = reverse("portfolios:gpu-add", args=[rig.pk])
    for response in (host_client.get(url), host_client.post(url, GPU_FIELDS)):
        assert response.status_code == 422
        assert reverse("billing:keep") in response.content.decode()
    response = host_client.post(url, GPU_FIELDS, headers={"HX-Request": "true"})
    assert response.headers["HX-Redirect"] == reverse("portfolios:detail", args=[rig.pk])
    assert SENTENCE in html.unescape(host_client.get(response.headers["HX-Redirect"]).content.decode())


def test_pages_and_files_stay_open_and_say_read_only(host_client, host, world, rig):
    """J7.4: export open"""
    close(rig)
    for name in ("detail", "gpu", "costs", "gpu-costs", "price-changes"):
        response = host_client.get(address(name, world))
        text = response.content.decode()
        assert (response.status_code, "is read-only since" in text) == (200, True), name
        assert 'type="submit" class="btn primary"' not in text, name
    for name in ("list", "dashboard"):
        assert "Read-only" in host_client.get(reverse(f"portfolios:{name}")).content.decode(), name
    for name in ("detail-csv", "gpu-csv", "gpu-results-csv", "list-csv", "kpis-csv", "analytics-csv", "insights-csv"):
        response = host_client.get(address(name, world))
        assert (response.status_code, response["Content-Type"].split(";")[0]) == (200, "text/csv"), name
    for url in (reverse("portfolios:suggestions"), address("price-changes", world)):
        assert host_client.get(url, {"csv": 1})["Content-Type"].startswith("text/csv")
    assert rig.name in b"".join(host_client.get(reverse("portfolios:list-csv"))).decode()


def test_the_first_steps_ask_about_a_portfolio_that_is_open(host_client, host, rig):
    close(rig)
    assert host_client.get(reverse("portfolios:welcome-power")).status_code == 302
    GPUConfigurationFactory(portfolio__user=host, custom_name="Second")
    assert host_client.get(reverse("portfolios:welcome-power")).status_code == 200


def test_archiving_a_read_only_one_is_possible_and_coming_back_counts(host_client, host, world, rig):
    other = PortfolioFactory(user=host)
    close(rig)
    assert host_client.post(reverse("portfolios:deactivate", args=[rig.pk])).status_code == 302
    rig.refresh_from_db()
    assert (rig.state, rig.is_read_only) == ("archived", False)
    with pytest.raises(limits.LimitReached):
        services.restore_portfolio(portfolio=rig)
    services.archive_portfolio(portfolio=other)
    services.restore_portfolio(portfolio=rig)
    assert not Portfolio.objects.get(pk=rig.pk).is_read_only


# -- Services ----------------------------------------------------------------------------------------------------------
def test_services_refuse_whoever_calls_them(host, world, rig):
    close(rig)
    gpu = GPUConfiguration.objects.get(pk=world["gpu"])
    other = GPUConfigurationFactory(portfolio__user=host)
    calls = [
        lambda: services.put_power(gpu=gpu, price_per_kwh=1, load_watts=None, idle_watts=None),
        lambda: services.activate_portfolio(portfolio=rig),
        lambda: services.move_gpu(gpu=other, to=rig),
        lambda: alert_services.add_window(
            portfolio=rig, starts_at=clock.now(), ends_at=clock.now() + timedelta(hours=1)
        ),
    ]
    before = pictures(rig)
    for call in calls:
        with pytest.raises(services.ReadOnly) as refused:
            call()
        assert refused.value.code == "plan"
    assert pictures(rig) == before


def test_a_strangers_portfolio_is_not_closed_with_it(host, stranger, rig):
    theirs = PortfolioFactory(user=stranger)
    with transaction.atomic():
        shrinking.close(host, [rig.pk, theirs.pk])
    assert not Portfolio.objects.get(pk=theirs.pk).is_read_only


# -- Chat --------------------------------------------------------------------------------------------------------------
def test_cards_of_the_advisor_are_refused_before_and_at_the_yes(host, world, rig):
    asked = {
        "accept_suggestion": {"suggestion": str(world["suggestion"])},
        "note_price_change": {"gpu": str(world["gpu"]), "platform": "vast", "to_rate": "0.61"},
    }
    ours = {
        name: offer for name, offer in advising.offers().items() if offer.perform.__module__.startswith("portfolios")
    }
    assert set(ours) == set(asked)  # a new card needs its refusal here
    OptimizationSuggestion.objects.update(suggestion_type="power_limit")  # which rests on no market
    for name, offer in ours.items():
        arguments = offer.arguments(**asked[name])
        open_again(rig)
        offer.prepare(host, arguments)
        close(rig)
        before = pictures(rig)
        for act in (offer.prepare, offer.perform):
            with pytest.raises(DomainError, match=SENTENCE):
                act(host, arguments)
        assert pictures(rig) == before


# -- Files -------------------------------------------------------------------------------------------------------------
@pytest.fixture
def file(host_client, world, rig):
    """A file of one day, read and waiting for a yes."""

    def upload():
        day = clock.today() - timedelta(days=40)
        response = send(host_client, f"date,gpu,platform,utilization,revenue\n{day},{world['gpu']},vast,50,9.6\n")
        job = MetricImport.objects.order_by("-created_at").first()
        host_client.post(response.url, choices(job))
        job.refresh_from_db()
        return job

    return upload


def say_yes(client, job):
    client.post(reverse("portfolios:metric-import-preview", kwargs={"token": job.pk}), {"good_rows": "1"})
    job.refresh_from_db()


def test_a_file_names_the_rows_that_are_refused(file, rig):
    close(rig)
    job = file()
    assert (job.rows_refused, job.rows_new) == (1, 0)
    assert "in a portfolio that is read-only" in MetricImportRow.objects.get(batch=job).reason


def test_a_yes_that_comes_too_late_stores_nothing(host_client, file, rig):
    job = file()
    assert job.rows_new == 1
    close(rig)
    before = pictures(rig)
    say_yes(host_client, job)
    assert (job.state, SENTENCE in job.error) == ("ready", True)
    assert pictures(rig) == before


def test_an_import_cannot_be_taken_back_from_it(host_client, file, rig):
    job = file()
    say_yes(host_client, job)
    assert job.state == "done"
    close(rig)
    before = pictures(rig)
    page = host_client.post(reverse("portfolios:metric-import-undo", kwargs={"token": job.pk}), follow=True)
    job.refresh_from_db()
    assert (job.state, SENTENCE in job.error) == ("done", True)
    assert SENTENCE in html.unescape(page.content.decode())
    assert pictures(rig) == before


# -- API ---------------------------------------------------------------------------------------------------------------
@pytest.fixture
def post(client, host):
    _row, key = api_tokens.create_token(user=host, name="Rig", scopes=["ingest"])

    def send_items(path, *items):
        headers = {"Authorization": f"Bearer {key}"}
        return client.post(path, json.dumps({"items": items}), content_type="application/json", headers=headers)

    send_items.key = key
    return send_items


def test_posts_that_speak_of_it_are_refused_and_say_why(client, host, world, rig, post):
    close(rig)
    before = pictures(rig)
    day = clock.today().isoformat()
    told = {"gpu_configuration": str(world["gpu"]), "platform": "vast"}
    posts = {
        "/api/v1/metrics": told | {"metric_date": day, "daily_revenue": 5},
        "/api/v1/samples": told | {"sampled_at": f"{day}T00:00:00Z", "is_online": True},
    }
    for path, item in posts.items():
        response = post(path, item)
        (error,) = response.json()["errors"]
        assert (response.status_code, error["code"], error["index"]) == (400, "plan", 0), path
        assert "your plan's page" in error["message"]
    merging.merge_waiting()
    assert pictures(rig) == before
    (gpu,) = client.get("/api/v1/gpu-configurations", headers={"Authorization": f"Bearer {post.key}"}).json()["data"]
    assert gpu["is_read_only"]
    strange = GPUConfigurationFactory(portfolio__user=UserFactory(), portfolio__closed_by_plan_at=clock.now())
    response = post("/api/v1/metrics", posts["/api/v1/metrics"] | {"gpu_configuration": str(strange.pk)})
    assert response.json()["errors"][0]["code"] == "unknown"  # nothing is told of a stranger's


def test_what_was_accepted_before_is_merged(world, rig, post):
    day = clock.today() - timedelta(days=50)
    item = {"gpu_configuration": str(world["gpu"]), "platform": "vast", "metric_date": day.isoformat()}
    assert post("/api/v1/metrics", item | {"daily_revenue": 5}).status_code == 202
    close(rig)
    merging.merge_waiting()
    assert PerformanceMetric.objects.filter(gpu_configuration=world["gpu"], metric_date=day).exists()


# -- What goes on ------------------------------------------------------------------------------------------------------
def test_figures_go_on_and_advice_rests(host, world, rig):
    """Nothing is told that could not be followed; what was told comes back with the portfolio, or is made anew."""
    assert (in_use(host).count(), len(facts_of(host).gpus), in_state(host).count()) == (1, 1, 1)
    close(rig)
    services.follow_models([GPUConfiguration.objects.get(pk=world["gpu"]).gpu_model_id])  # staff changed a model
    assert (in_use(host).count(), len(facts_of(host).gpus), in_state(host).count()) == (0, 0, 0)
    assert insights_open(host) == []
    assert suggestions.make(host)
    assert OptimizationSuggestion.objects.get(pk=world["suggestion"]).state == "expired"
    open_again(rig)
    assert in_use(host).count() == 1
