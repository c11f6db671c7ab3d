"""The profile page (R-003, R-004)."""

import pytest

from gpuadvisor.accounts.models import User

FORM = {
    "name": "Ada Host",
    "timezone": "Europe/Berlin",
    "language": "de",
    "currency": "EUR",
    "theme": "dark",
}
HTMX = {"hx-request": "true"}


def test_the_profile_is_saved_whole(host, host_client):
    host.preferences = {"digest": "daily", "quiet_hours": {"from": "22:30", "to": "06:00"}, "theme": "light"}
    host.save()
    answer = host_client.post("/settings/", FORM)
    assert (answer.status_code, answer.headers["location"]) == (302, "/settings/")
    host.refresh_from_db()
    assert (host.name, host.timezone, host.language) == ("Ada Host", "Europe/Berlin", "de")
    assert host.preferences == {
        "theme": "dark",
        "currency": "EUR",
        "digest": "daily",
        "quiet_hours": {"from": "22:30", "to": "06:00"},
        "shortcuts": False,
    }
    assert (answer.cookies["theme"].value, answer.cookies["django_language"].value) == ("dark", "de")


def test_the_system_theme_deletes_the_cookie(host_client):
    answer = host_client.post("/settings/", FORM | {"theme": "system"})
    assert answer.cookies["theme"]["max-age"] == 0


def test_htmx_gets_the_way_back_or_the_form_with_its_errors(host_client):
    assert host_client.post("/settings/", FORM, headers=HTMX).headers["HX-Redirect"] == "/settings/"
    refused = host_client.post("/settings/", FORM | {"timezone": "Mars/Base"}, headers=HTMX)
    assert refused.status_code == 422
    assert b"<html" not in refused.content
    assert b"settings-form" in refused.content


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("timezone", "Mars/Base", "Choose a time zone from the list."),
        ("timezone", "../../etc/passwd", "Choose a time zone from the list."),
        ("language", "tlh", "Choose a language from the list."),
        ("currency", "XXX", "Select a valid choice"),
        ("theme", "neon", "Select a valid choice"),
        ("name", "a" * 101, "at most 100 characters"),
        ("name", "nul\x00", "not allowed"),
        ("name", "\u202eevil", "characters that are not allowed"),
        ("name", "\u200b", "Enter a visible name."),
    ],
)
def test_an_unfit_entry_gets_its_message_and_changes_nothing(host, host_client, field, value, words):
    answer = host_client.post("/settings/", FORM | {field: value})
    assert answer.status_code == 422
    assert words in " ".join(answer.context["form"].errors[field])
    assert User.objects.get(pk=host.pk).preferences == {}
    if field != "name":
        assert b"Ada Host" in answer.content, "what was typed stays"


def test_markup_in_a_name_is_shown_as_it_is(host_client):
    host_client.post("/settings/", FORM | {"name": "<script>{{7*7}}${7*7}"})
    page = host_client.get("/settings/").content
    assert b"<script>{{7*7}}" not in page
    assert b"&lt;script&gt;{{7*7}}${7*7}" in page


def test_the_page_writes_no_field_it_does_not_show(host, host_client):
    host_client.post("/settings/", FORM | {"subscription_tier": "enterprise", "is_staff": "1", "email": "x@y.example"})
    user = User.objects.get(pk=host.pk)
    assert (user.subscription_tier, user.is_staff, user.email) == ("free", False, host.email)


def test_the_page_offers_nothing_that_does_nothing_yet(host, host_client):
    """Mail by schedule comes with its step: nobody may believe to have set it, and nobody gets it unasked."""
    assert set(host_client.get("/settings/").context["form"].fields) == {*FORM, "shortcuts"}
    assert (host.preference("digest"), host.preference("quiet_hours")) == ("off", None)


def test_a_visitor_is_sent_to_sign_in_and_back(db, client):
    assert client.get("/settings/").headers["location"] == "/accounts/login/?next=/settings/"
