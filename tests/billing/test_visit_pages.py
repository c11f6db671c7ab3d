"""The pages of a way to Stripe, and who is offered which."""

from datetime import timedelta

import pytest
from django.urls import reverse

from billing import tasks, visits
from billing.models import Visit
from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError
from tests.billing.visiting import BUY, begin, buys
from tests.factories import VisitFactory


def test_with_billing_off_nothing_is_sold_and_the_page_says_so(host, host_client):
    page = host_client.get(reverse("billing:plan")).content.decode()
    assert "Billing is off on this site" in page
    for name in ("billing:buy", "billing:portal", "billing:trial"):
        assert reverse(name) not in page
        response = host_client.post(reverse(name), BUY)
        assert (response.status_code, b"Billing is off" in response.content) == (409, True)
    assert not Visit.objects.exists()


def test_the_demo_account_takes_no_plan(shop, host, host_client):
    host.is_demo = True
    host.save()
    assert host_client.post(reverse("billing:buy"), BUY).status_code == 403
    with pytest.raises(DomainError, match="demo account"):
        begin(host)
    page = host_client.get(reverse("billing:plan")).content.decode()
    assert "it cannot take a plan" in page
    assert reverse("billing:buy") not in page


def test_the_page_goes_on_to_stripe_by_itself_and_offers_a_link_without_script(shop, host, host_client, stranger):
    to = host_client.post(reverse("billing:buy"), BUY).headers["Location"]
    visit = Visit.objects.get()
    assert to == reverse("billing:visit", args=[visit.pk])
    assert "<noscript><meta http-equiv" in host_client.get(to).content.decode()
    part = host_client.get(to, headers={"HX-Request": "true"})
    assert "HX-Redirect" not in part.headers
    assert b"<html" not in part.content
    tasks.prepare_visit(str(visit.pk))
    visit.refresh_from_db()
    assert host_client.get(to, headers={"HX-Request": "true"}).headers["HX-Redirect"] == visit.url
    assert host_client.get(to).headers["Location"] == visit.url
    Visit.objects.update(ready_at=clock.now() - timedelta(seconds=20))  # who comes back from there is not sent again
    page = host_client.get(to)
    assert f'href="{visit.url}"' in page.content.decode()
    assert host_client.post(reverse("billing:buy"), BUY).headers["Location"] == visit.url
    host_client.force_login(stranger)
    assert host_client.get(to).status_code == 404


def test_a_way_that_was_ready_long_ago_is_not_offered_any_more(host, billing_on, host_client):
    visit = VisitFactory(user=host, state="ready", url="https://x.test/", ready_at=clock.now() - timedelta(minutes=5))
    page = host_client.get(reverse("billing:visit", args=[visit.pk])).content.decode()
    assert "https://x.test/" not in page
    assert "Try again to open it" in page


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}], ids=["page", "part"])
def test_a_way_that_is_over_leads_to_the_plan_and_to_no_closed_page(host, billing_on, host_client, headers):
    visit = VisitFactory(user=host, state="done", url="https://x.test/", ready_at=clock.now())
    answer = host_client.get(reverse("billing:visit", args=[visit.pk]), headers=headers)
    assert reverse("billing:plan") in (answer.headers.get("Location"), answer.headers.get("HX-Redirect"))


def test_whoever_asks_without_end_is_stopped(host, billing_on, host_client):
    for _ in range(visits.MOST):
        VisitFactory(user=host, state="done")
    assert host_client.post(reverse("billing:buy"), BUY).status_code == 429


def test_a_free_host_is_offered_each_plan_and_the_trial(shop, host_client, client):
    for page in (reverse("billing:pricing"), reverse("billing:plan")):
        text = host_client.get(page).content.decode()
        assert text.count(f'action="{reverse("billing:buy")}"') == 2
        assert text.count(f'action="{reverse("billing:trial")}"') == 1
        assert "cannot be bought" not in text
    client.logout()
    assert "Sign up to take it" in client.get(reverse("billing:pricing")).content.decode()


def test_a_host_with_a_plan_is_offered_the_others_and_the_portal(shop, host, host_client):
    buys(shop, host)
    page = host_client.get(reverse("billing:plan")).content.decode()
    assert reverse("billing:buy") not in page
    assert reverse("billing:trial") not in page
    assert page.count('name="interval" value="') == 3
    for words in ("$29.00 a month", "the next payment is due", "Cancel the plan", "Change the card"):
        assert words in page


def test_staff_look_at_visits_and_change_none(admin_client, host, billing_on):
    visit = begin(host)
    assert admin_client.get("/admin/billing/visit/").status_code == 200
    page = admin_client.get(f"/admin/billing/visit/{visit.pk}/change/")
    assert (page.status_code, b'name="_save"' in page.content) == (200, False)
