"""The first steps of a new host (J1), and what the calculator leaves behind."""

import re
from decimal import Decimal

import pytest
from django.core import signing
from django.urls import reverse

from gpuadvisor.accounts.models import User
from portfolios import entries
from portfolios.models import CostProfile, GPUConfiguration, Portfolio
from portfolios.services.starting import MAX_PLANS
from tests.factories import (
    PASSWORD,
    GPUConfigurationFactory,
    GPUModelFactory,
    PerformanceMetricFactory,
    PlatformFactory,
    PortfolioFactory,
    UserFactory,
)

D = Decimal
WELCOME, POWER, PLATFORM, GOAL, LEAVE = (
    reverse(f"portfolios:welcome{step}") for step in ("", "-power", "-platform", "-goal", "-leave")
)
SAVE = reverse("portfolios:calculator-save")
DASHBOARD = reverse("portfolios:dashboard")


@pytest.fixture
def model(db):
    PlatformFactory()
    return GPUModelFactory(
        name="RTX 4090", slug="rtx-4090", base_power_consumption=D(450), specifications={"idle_watts": 20}
    )


def sent(form, **changed):
    """What the browser sends of a form as it stands."""
    return {name: form[name].value() or "" for name in form.fields} | changed


def fill(client, address, **changed):
    return client.post(address, sent(client.get(address).context["form"], **changed))


@pytest.fixture
def first_gpus(host_client, model):
    """The host after step 1 with two cards."""
    assert fill(host_client, WELCOME, gpu_model="RTX 4090", quantity="2")["Location"] == POWER
    return GPUConfiguration.objects.get()


def sign_in(client, user):
    return client.post(reverse("account_login"), {"login": user.email, "password": PASSWORD})


@pytest.mark.parametrize(
    ("preferences", "has_portfolio", "expected"),
    [({}, False, WELCOME), ({"welcomed": True}, False, DASHBOARD), ({}, True, DASHBOARD)],
    ids=["new", "welcomed", "has-a-portfolio"],
)
def test_a_new_host_is_led_through_the_first_steps(client, db, preferences, has_portfolio, expected):
    user = UserFactory(preferences=preferences)
    if has_portfolio:
        PortfolioFactory(user=user)
    assert sign_in(client, user)["Location"] == expected


def test_nobody_is_led_away_from_where_he_wanted_to_go(client, db):
    address = f"{reverse('account_login')}?next={reverse('portfolios:list')}"
    response = client.post(address, {"login": UserFactory().email, "password": PASSWORD})
    assert response["Location"] == reverse("portfolios:list")


def test_the_demo_is_not_led_there(client, db):
    UserFactory(is_demo=True)
    assert client.post(reverse("accounts:demo"))["Location"] == DASHBOARD


def test_four_steps_end_on_the_dashboard(host_client, host, first_gpus):
    assert (first_gpus.quantity, first_gpus.portfolio.state, first_gpus.portfolio.user) == (2, "active", host)
    assert fill(host_client, POWER, price_per_kwh="0.22")["Location"] == PLATFORM
    assert CostProfile.objects.get().price_per_kwh == D("0.22")
    assert fill(host_client, PLATFORM)["Location"] == GOAL
    assert fill(host_client, GOAL, goal="know_costs")["Location"] == DASHBOARD
    host.refresh_from_db()
    assert (host.preference("goal"), host.preference("welcomed")) == ("know_costs", True)


def test_a_double_click_makes_one_portfolio(host_client, model):
    data = sent(host_client.get(WELCOME).context["form"], gpu_model="RTX 4090", quantity="2")
    for _click in range(2):
        assert host_client.post(WELCOME, data).status_code == 302
    assert (Portfolio.objects.count(), GPUConfiguration.objects.count()) == (1, 1)


def test_going_back_changes_the_same_gpus(host_client, first_gpus):
    """Also from the page as the browser kept it: with the key of before."""
    assert fill(host_client, WELCOME, quantity="3").status_code == 302
    assert GPUConfiguration.objects.get().quantity == 3
    assert host_client.get(POWER).context["back_url"] == WELCOME


def test_the_kept_form_of_before_changes_them_too(host_client, model):
    data = sent(host_client.get(WELCOME).context["form"], gpu_model="RTX 4090", quantity="2")
    host_client.post(WELCOME, data)
    host_client.post(WELCOME, data | {"quantity": "5"})
    assert GPUConfiguration.objects.get().quantity == 5


def test_watts_that_nobody_changed_stay_estimated(host_client, first_gpus):
    page = host_client.get(POWER)
    assert page.content.decode().count("Estimated") == 3
    fill(host_client, POWER)
    first_gpus.refresh_from_db()
    assert first_gpus.hardware_details == {}
    fill(host_client, POWER, load_watts="380")
    first_gpus.refresh_from_db()
    assert (first_gpus.hardware_details, first_gpus.power_consumption) == ({"measured_watts": "380"}, D(380))


@pytest.mark.parametrize(
    ("step", "changed"),
    [
        (WELCOME, {"gpu_model": "Toaster"}),
        (WELCOME, {"quantity": "0"}),
        (POWER, {"price_per_kwh": "x"}),
        (POWER, {"idle_watts": "900"}),
        (GOAL, {"goal": "win"}),
    ],
)
def test_bad_input_gets_a_message(host_client, first_gpus, step, changed):
    assert fill(host_client, step, **changed).status_code == 422


@pytest.mark.parametrize("step", [POWER, PLATFORM])
def test_without_gpus_the_steps_about_them_lead_to_the_first(host_client, step):
    assert host_client.get(step)["Location"] == WELCOME


@pytest.mark.parametrize("step", [WELCOME, POWER, PLATFORM, GOAL])
def test_one_can_leave_at_any_step(host_client, host, first_gpus, step):
    page = host_client.get(step).content.decode()
    assert LEAVE in page
    assert host_client.post(LEAVE)["Location"] == DASHBOARD
    host.refresh_from_db()
    assert host.preference("welcomed")


def test_progress_is_told_in_words_and_as_a_bar(host_client, first_gpus):
    page = host_client.get(PLATFORM).content.decode()
    assert "Step 3 of 4" in page
    assert re.search(r'<progress max="4" value="3"', page)


def test_sample_data_is_the_demo_and_takes_a_host_there_who_asks(host_client, db):
    demo = UserFactory(is_demo=True)
    assert b'name="instead"' in host_client.get(WELCOME).content
    host_client.post(reverse("accounts:demo"), {"instead": "1"})
    assert host_client.session["_auth_user_id"] == str(demo.pk)


# -- From the calculator -----------------------------------------------------------------------------------------------


def test_entries_survive_sign_up(client, model, settings):
    """J1.3: typed without an account, they fill the first step and the price of electricity."""
    client.get(
        reverse("portfolios:calculator"), {"gpu": "rtx-4090", "cards": "2", "kwh": "0.22", "rented": "70", "fee": "20"}
    )
    response = client.get(SAVE, {"gpu": "rtx-4090", "cards": "2", "kwh": "0.22"})
    assert response["Location"] == reverse("account_signup")
    assert response.cookies[entries.COOKIE]["httponly"]
    user = UserFactory()
    assert sign_in(client, user)["Location"] == WELCOME
    form = client.get(WELCOME).context["form"]
    assert (form["gpu_model"].value(), form["quantity"].value()) == ("RTX 4090", "2")
    assert b"Filled in from the calculator" in client.get(WELCOME).content
    client.post(WELCOME, sent(form))
    assert client.get(POWER).context["form"]["price_per_kwh"].value() == "0.22"
    fill(client, POWER)
    assert CostProfile.objects.get().price_per_kwh == D("0.22")
    assert not client.cookies[entries.COOKIE].value


@pytest.mark.parametrize(
    "text",
    ["", "x", "a:b:c", signing.dumps({"gpu": "rtx-4090"}, salt="another")],
    ids=["empty", "a letter", "three parts", "another salt"],  # a signature holds the time it was made
)
def test_entries_that_somebody_changed_are_none(client, model, text, host_client):
    host_client.cookies[entries.COOKIE] = text
    assert host_client.get(WELCOME).context["form"]["gpu_model"].value() in (None, "")


def test_save_as_portfolio_is_active_with_gpus_and_costs(host_client, host, model):
    address = f"{SAVE}?gpu=rtx-4090&cards=2&kwh=0.22&price=1500"
    data = sent(host_client.get(address).context["form"], name="Garage")
    for _click in range(2):
        assert host_client.post(address, data).status_code == 302
    portfolio = Portfolio.objects.get()
    assert (portfolio.name, portfolio.state, portfolio.gpus.get().quantity) == ("Garage", "active", 2)
    profile = portfolio.cost_profiles.get()
    assert (profile.price_per_kwh, profile.purchase_price, profile.currency) == (D("0.22"), D(1500), "USD")


def test_the_limit_is_explained_and_a_plan_offered(host_client, host, model):
    """R-030: a free plan holds one portfolio; plans count toward nothing."""
    GPUConfigurationFactory(portfolio__user=host)
    address = f"{SAVE}?gpu=rtx-4090&cards=2"
    page = host_client.get(address)
    assert page.context["form"]["state"].value() == "planned"
    assert "it holds 1, and you have 1" in page.content.decode()
    refused = host_client.post(address, sent(page.context["form"], state="active"))
    assert refused.status_code == 422
    assert "Archive it" in refused.content.decode()
    assert host_client.post(address, sent(page.context["form"])).status_code == 302
    assert Portfolio.objects.filter(state="planned", is_active=False).count() == 1


@pytest.mark.parametrize("query", ["", "?gpu=", "?gpu=no-such", "?gpu=%C3%A9"])
def test_saving_nothing_is_not_found(host_client, model, query):
    assert host_client.get(SAVE + query).status_code == 404


def test_a_plan_is_in_no_sum_until_it_is_activated(host_client, host, model):
    """J6.4"""
    address = f"{SAVE}?gpu=rtx-4090&cards=2&as=planned"
    fill(host_client, address)
    plan = Portfolio.objects.get()
    assert not Portfolio.objects.active().exists()
    assert Portfolio.objects.counting_towards_plan().count() == 0
    assert "This is a plan" in host_client.get(reverse("portfolios:detail", kwargs={"pk": plan.pk})).content.decode()
    assert host_client.post(reverse("portfolios:plan-activate", kwargs={"pk": plan.pk})).status_code == 302
    plan.refresh_from_db()
    assert (plan.state, plan.is_active) == ("active", True)


def test_activating_a_plan_checks_the_limit(host_client, host):
    GPUConfigurationFactory(portfolio__user=host)
    plan = PortfolioFactory(user=host, state="planned", is_active=False)
    GPUConfigurationFactory(portfolio=plan)
    Portfolio.objects.filter(pk=plan.pk).update(state="planned", is_active=False)
    response = host_client.post(reverse("portfolios:plan-activate", kwargs={"pk": plan.pk}))
    assert response.status_code == 422
    plan.refresh_from_db()
    assert plan.state == "planned"


def test_only_plans_are_deleted(host_client, host):
    plan = PortfolioFactory(user=host, state="planned", is_active=False)
    active = GPUConfigurationFactory(portfolio__user=host).portfolio
    assert host_client.post(reverse("portfolios:plan-delete", kwargs={"pk": active.pk})).status_code == 404
    assert host_client.get(reverse("portfolios:plan-delete", kwargs={"pk": plan.pk})).status_code == 200
    assert host_client.post(reverse("portfolios:plan-delete", kwargs={"pk": plan.pk})).status_code == 302
    assert list(Portfolio.objects.all()) == [active]


def test_a_plan_with_results_is_kept(host_client, host):
    plan = PortfolioFactory(user=host)
    PerformanceMetricFactory(gpu_configuration=GPUConfigurationFactory(portfolio=plan))
    Portfolio.objects.filter(pk=plan.pk).update(state="planned", is_active=False)
    assert host_client.post(reverse("portfolios:plan-delete", kwargs={"pk": plan.pk})).status_code == 422
    assert Portfolio.objects.filter(pk=plan.pk).exists()


def test_plans_are_not_without_end(host_client, host, model):
    for _n in range(MAX_PLANS):
        PortfolioFactory(user=host, state="planned", is_active=False)
    assert fill(host_client, f"{SAVE}?gpu=rtx-4090&as=planned").status_code == 422


def test_the_demo_saves_nothing(client, model):
    demo = UserFactory(is_demo=True)
    client.force_login(demo)
    assert client.post(f"{SAVE}?gpu=rtx-4090", {"name": "Mine"}).status_code == 403
    assert not Portfolio.objects.exists()
    assert User.objects.count() == 1


# -- Skipped steps -----------------------------------------------------------------------------------------------------


def test_skipping_the_first_step_keeps_what_was_calculated(client, model):
    """Without GPUs only the last step makes sense; the entries stay, and are offered to be saved."""
    client.get(SAVE, {"gpu": "rtx-4090", "cards": "2", "kwh": "0.22"})
    client.force_login(UserFactory())
    first = client.get(WELCOME)
    assert (first.context["skip_url"], first.context["skip_text"]) == (GOAL, "I have no GPUs yet")
    goal = client.get(GOAL)
    assert goal.context["kept_url"].startswith(SAVE)
    assert "cards=2" in goal.context["kept_url"]
    fill(client, GOAL)
    assert client.get(WELCOME).context["form"]["quantity"].value() == "2"
    assert client.get(goal.context["kept_url"]).context["form"]["kwh"].value() == "0.22"


def test_with_gpus_the_first_step_is_skipped_to_the_second(host_client, first_gpus):
    page = host_client.get(WELCOME)
    assert page.context["skip_url"] == POWER
    assert host_client.get(GOAL).context["kept_url"] == ""


def test_the_first_step_has_room_for_the_facts_that_a_search_brings(host_client, model):
    """The search answers with an element that takes the place of this one."""
    assert b'id="gpu-facts"' in host_client.get(WELCOME).content
    assert b'id="gpu-facts"' not in host_client.get(GOAL).content


def test_the_power_step_names_its_currency(host_client, first_gpus):
    assert "In US dollars" in host_client.get(POWER).content.decode()
