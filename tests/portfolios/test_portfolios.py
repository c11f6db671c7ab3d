"""Portfolios: R-010, R-011, R-030, and what section f of the reliability paper says of names and prices."""

from decimal import Decimal
from threading import Barrier, Thread
from uuid import uuid4

import pytest
from django.db import connection
from django.urls import reverse

from billing.limits import LimitReached
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.ids import uuid7
from portfolios import services
from portfolios.caching import dashboard_version
from portfolios.models import GPUConfiguration, Portfolio
from tests.factories import GPUConfigurationFactory, GPUModelFactory, PortfolioFactory, UserFactory

LIST = "portfolios:list"


def price_of(portfolio):
    profile = portfolio.cost_profiles.filter(gpu_configuration=None).first()
    return profile and profile.price_per_kwh


def url(name, **kwargs):
    return reverse(f"portfolios:{name}", kwargs=kwargs or None)


def post(client, name, data, **kwargs):
    return client.post(url(name, **kwargs), data)


def test_a_new_portfolio_is_being_set_up_and_shows_its_empty_state(host_client, host):
    """R-011"""
    response = host_client.post(url("create"), {"name": "Garage", "price_per_kwh": "0.1200"})
    portfolio = Portfolio.objects.get(user=host)
    assert response.status_code == 302
    assert response.url == url("detail", pk=portfolio.pk)
    assert (portfolio.state, portfolio.is_active, price_of(portfolio)) == ("setup", False, Decimal("0.12"))
    page = host_client.get(response.url).content.decode()
    assert "Add the first GPU" in page
    assert "becomes active with its first GPU" in page


def test_the_list_teaches_while_it_is_empty(host_client):
    page = host_client.get(url("list")).content.decode()
    assert "Add your first portfolio" in page
    assert "0 of 1 used on your plan" in page


def test_the_list_shows_state_units_watts_and_the_limit(host_client, gpu, portfolio):
    services.edit_gpu(
        gpu=gpu, gpu_model=gpu.gpu_model, quantity=4, custom_name="", hardware_details={}, platform_mappings={}
    )
    page = host_client.get(url("list")).content.decode()
    for text in ("Garage", "1,800\u00a0W", "1 of 1 used on your plan"):
        assert text in page


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "This field is required."),
        ("   ", "This field is required."),
        ("a\x00b", "Null characters are not allowed."),
        ("a\u202eb", "characters that are not allowed"),
        ("\u200b", "Enter a visible name."),
        ("a\nb", "characters that are not allowed"),
        ("x" * 101, "at most 100 characters"),
        ("x" * 1_000_000, "at most 100 characters"),
    ],
)
def test_a_name_that_nobody_can_read_is_refused_and_kept(host_client, host, name, message):
    """f 1-8"""
    response = host_client.post(url("create"), {"name": name, "description": "kept"})
    page = response.content.decode()
    assert response.status_code == 422
    assert message in page
    assert "kept" in page
    assert not Portfolio.objects.exists()


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "{{7*7}}", "${7*7}", "=cmd|'/c calc'!A0"])
def test_a_name_is_shown_as_it_was_typed(host_client, host, name):
    """f 7"""
    response = host_client.post(url("create"), {"name": name}, follow=True)
    page = response.content.decode()
    assert Portfolio.objects.get().name == name
    assert "<script>alert" not in page
    assert "49" not in page.partition("<h1")[2].partition("</h1>")[0]


@pytest.mark.parametrize(
    "price", ["NaN", "Infinity", "-0", "-1", "1e5", "0.00001", "1_0", "１２", "11", "0x1", "--1", "9" * 40]
)
def test_a_price_that_is_no_plain_number_is_refused(host_client, host, price):
    """f 9-17"""
    response = host_client.post(url("create"), {"name": "Garage", "price_per_kwh": price})
    page = response.content.decode()
    assert response.status_code == 422
    assert "Enter a number between 0 and 10 in plain digits, with up to 4 decimals." in page
    assert price in page


def test_a_comma_gets_a_hint_and_is_taken_where_the_language_writes_one(host_client, host):
    """f 14"""
    response = host_client.post(url("create"), {"name": "Garage", "price_per_kwh": "0,32"})
    assert "Write the decimals after a point" in response.content.decode()
    host.language = "de"
    host.save()
    host_client.post(url("create"), {"name": "Garage", "price_per_kwh": "0,32"})
    assert price_of(Portfolio.objects.get()) == Decimal("0.32")


def test_htmx_gets_the_form_alone_and_is_sent_on_after_a_write(host_client, host):
    htmx = {"HX-Request": "true"}
    refused = host_client.post(url("create"), {"name": ""}, headers=htmx)
    assert (refused.status_code, b"<html" in refused.content, b"<form" in refused.content) == (422, False, True)
    stored = host_client.post(url("create"), {"name": "Garage"}, headers=htmx)
    assert stored.headers["HX-Redirect"] == url("detail", pk=Portfolio.objects.get().pk)


def test_sending_a_form_twice_makes_one_portfolio(host_client, host):
    """f 81: on the free plan too, whose limit the first one fills"""
    form = host_client.get(url("create")).context["form"]
    data = {"name": "Garage", "once": form["once"].value()}
    first, second = host_client.post(url("create"), data), host_client.post(url("create"), data)
    assert first.url == second.url
    assert Portfolio.objects.count() == 1


def test_a_key_signed_for_another_user_is_worth_nothing(host_client, host, stranger, client):
    foreign = PortfolioFactory(user=stranger)
    host_client.post(url("create"), {"name": "Garage", "once": foreign.pk.hex})
    assert Portfolio.objects.get(user=host).pk != foreign.pk


def test_one_more_than_the_plan_allows_is_refused_with_a_sentence(host_client, portfolio):
    """R-030"""
    response = host_client.post(url("create"), {"name": "Second"})
    assert response.status_code == 422
    assert "Your plan holds 1 portfolio" in response.content.decode()
    assert "Second" in response.content.decode()


@pytest.mark.parametrize(("tier", "limit"), [("free", 1), ("individual", 3), ("professional", 5)])
def test_archived_and_planned_portfolios_do_not_count(db, tier, limit):
    """R-030"""
    user = UserFactory(subscription_tier=tier)
    PortfolioFactory(user=user, is_active=False, state="archived")
    PortfolioFactory(user=user, is_active=False, state="planned")
    for n in range(limit):
        services.create_portfolio(user=user, name=f"P{n}")
    if tier != "professional":
        with pytest.raises(LimitReached):
            services.create_portfolio(user=user, name="one more")


@pytest.mark.django_db(transaction=True)
def test_a_limit_is_exact_under_thirty_parallel_creates():
    """R-030, promise 9"""
    user = UserFactory(subscription_tier="individual")
    start, refused = Barrier(30), []

    def create(n):
        start.wait()
        try:
            services.create_portfolio(user=user, name=f"P{n}")
        except LimitReached:
            refused.append(n)
        finally:
            connection.close()

    threads = [Thread(target=create, args=(n,)) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (Portfolio.objects.filter(user=user).count(), len(refused)) == (3, 27)


@pytest.mark.django_db(transaction=True)
def test_the_same_form_sent_ten_times_at_once_makes_one_portfolio():
    """f 81"""
    user, pk, start, made = UserFactory(), uuid7(), Barrier(10), []

    def create():
        start.wait()
        try:
            made.append(services.create_portfolio(user=user, name="Garage", pk=pk).pk)
        finally:
            connection.close()

    threads = [Thread(target=create) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [pk] * 10
    assert Portfolio.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_limit_is_exact_where_restores_and_creates_meet():
    """R-030: coming back counts"""
    user = UserFactory(subscription_tier="individual")
    archived = [PortfolioFactory(user=user, is_active=False, state="archived") for _ in range(5)]
    start = Barrier(10)

    def run(work):
        start.wait()
        try:
            work()
        except LimitReached:
            pass
        finally:
            connection.close()

    works = [lambda p=p: services.restore_portfolio(portfolio=p) for p in archived]
    works += [lambda n=n: services.create_portfolio(user=user, name=f"P{n}") for n in range(5)]
    threads = [Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Portfolio.objects.filter(user=user).counting_towards_plan().count() == 3


def test_archiving_deletes_nothing_and_restoring_brings_it_back(host_client, gpu, portfolio):
    page = host_client.get(url("deactivate", pk=portfolio.pk)).content.decode()
    assert "It leaves the dashboard and every sum." in page
    assert host_client.post(url("deactivate", pk=portfolio.pk)).status_code == 302
    portfolio.refresh_from_db()
    assert (portfolio.state, portfolio.is_active, portfolio.gpus.count()) == ("archived", False, 1)
    assert host_client.get(url("list")).context["page"].rows == ()
    assert len(host_client.get(url("list") + "?state=archived").context["apart"]) == 1
    assert host_client.post(url("restore", pk=portfolio.pk)).status_code == 302
    portfolio.refresh_from_db()
    assert (portfolio.state, portfolio.is_active) == ("active", True)


def test_a_portfolio_without_gpus_comes_back_being_set_up(portfolio):
    """R-011"""
    services.archive_portfolio(portfolio=portfolio)
    assert services.restore_portfolio(portfolio=portfolio).state == "setup"


def test_activation_without_a_gpu_is_refused_with_a_sentence(portfolio):
    """R-011"""
    with pytest.raises(DomainError, match="becomes active with its first GPU"):
        services.activate_portfolio(portfolio=portfolio)


def test_restoring_past_the_limit_is_refused_with_a_sentence(host_client, host, portfolio):
    """R-030"""
    archived = PortfolioFactory(user=host, is_active=False, state="archived")
    response = host_client.post(url("restore", pk=archived.pk))
    assert response.status_code == 422
    assert "Your plan holds 1 portfolio" in response.content.decode()
    archived.refresh_from_db()
    assert archived.state == "archived"


def test_editing_keeps_what_was_typed_and_stores_what_is_good(host_client, portfolio):
    response = host_client.post(url("edit", pk=portfolio.pk), {"name": "Cellar", "price_per_kwh": "abc"})
    assert response.status_code == 422
    assert "Cellar" in response.content.decode()
    host_client.post(
        url("edit", pk=portfolio.pk), {"name": "Cellar", "description": "cool\nand dry", "price_per_kwh": ""}
    )
    portfolio.refresh_from_db()
    assert (portfolio.name, portfolio.description, price_of(portfolio)) == ("Cellar", "cool\nand dry", None)


@pytest.mark.parametrize(
    "field", ["user", "is_active", "state", "total_power_consumption", "estimated_monthly_revenue"]
)
def test_fields_that_nobody_types_cannot_be_sent(host_client, host, stranger, field):
    host_client.post(url("create"), {"name": "Garage", field: {"user": stranger.pk, "state": "active"}.get(field, "1")})
    portfolio = Portfolio.objects.get()
    assert (portfolio.user, portfolio.state, portfolio.is_active) == (host, "setup", False)
    assert (portfolio.total_power_consumption, portfolio.estimated_monthly_revenue) == (Decimal(0), None)


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("name", ["detail", "edit", "deactivate", "restore", "gpu-add"])
def test_a_strangers_portfolio_is_a_404_equal_to_a_random_id(host_client, foreign_gpu, name, method):
    """promise 22"""
    foreign, unknown = (
        getattr(host_client, method)(url(name, pk=pk), {"name": "x"}) for pk in (foreign_gpu.portfolio_id, uuid4())
    )
    assert (
        foreign.status_code
        == unknown.status_code
        == (405 if (name, method) in (("restore", "get"), ("detail", "post")) else 404)
    )
    if foreign.status_code == 404:
        assert _body(foreign) == _body(unknown)
    assert Portfolio.objects.get(pk=foreign_gpu.portfolio_id).state == "active"


def _body(response):
    """The page without what differs by request: its id and tokens."""
    import re

    return re.sub(r"[0-9a-f]{32}|[A-Za-z0-9]{64}", "", response.content.decode())


def test_a_malformed_id_is_a_404(host_client):
    """f 36"""
    assert host_client.get("/portfolios/not-a-uuid/").status_code == 404


@pytest.mark.parametrize("after", ["0", "-1", "1" * 40, "abc", "%00", "a" * 5000])
def test_a_page_key_that_is_none_begins_with_the_first_page(host_client, gpu, after):
    """f 39"""
    status = 400 if after == "%00" else 200
    assert host_client.get(f"{url('list')}?after={after}").status_code == status
    if status == 200:
        assert b"Rack 1" in host_client.get(f"{url('detail', pk=gpu.portfolio_id)}?after={after}").content


def test_lists_are_paged_by_key_without_gap_or_repeat(host_client, gpu, portfolio):
    GPUConfigurationFactory.create_batch(60, portfolio=portfolio, gpu_model=gpu.gpu_model)
    address, seen = url("detail", pk=portfolio.pk), []
    while True:
        context = host_client.get(address).context
        seen += [line.pk for line in context["page"].lines]
        if not context["next_url"]:
            break
        address = url("detail", pk=portfolio.pk) + context["next_url"]
    assert len(seen) == len(set(seen)) == 61


def test_a_page_asks_as_many_queries_for_fifty_rows_as_for_one(host_client, gpu, portfolio, host):
    def count(address):
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as queries:
            assert host_client.get(address).status_code == 200
        return len(queries)

    pages = [url("list"), url("detail", pk=portfolio.pk)]
    for page in pages:  # the first request of a session also notes its device
        count(page)
    few = [count(page) for page in pages]
    GPUConfigurationFactory.create_batch(49, portfolio=portfolio, gpu_model=gpu.gpu_model)
    PortfolioFactory.create_batch(20, user=host)
    assert [count(page) for page in pages] == few
    assert max(few) <= 18


def test_every_write_gives_the_host_a_new_version_after_the_commit(host, django_capture_on_commit_callbacks):
    before = dashboard_version(host.pk)
    assert dashboard_version(host.pk) == before
    with django_capture_on_commit_callbacks(execute=True):
        portfolio = services.create_portfolio(user=host, name="Garage")
    created = dashboard_version(host.pk)
    with django_capture_on_commit_callbacks(execute=True):
        services.add_gpu(portfolio=portfolio, gpu_model=GPUModelFactory())
    assert len({before, created, dashboard_version(host.pk)}) == 3
    assert GPUConfiguration.objects.count() == 1
