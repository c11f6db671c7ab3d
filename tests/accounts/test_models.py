"""The users table and what may be written into it (R-001 to R-007)."""

import zoneinfo

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.test import Client

from gpuadvisor.accounts.models import User
from gpuadvisor.accounts.preferences import validate_preferences
from gpuadvisor.accounts.zones import zone_names, zone_of
from tests.accounts.conftest import sign_in
from tests.factories import PASSWORD, UserFactory


def test_the_two_indexes_stand_in_the_database(db):
    """R-007."""
    with connection.cursor() as cursor:
        cursor.execute("select indexname, indexdef from pg_indexes where tablename = 'users'")
        found = dict(cursor.fetchall())
    assert "(subscription_tier, created_at)" in found["accounts_user_tier_created"]
    assert "(verification_token) WHERE (verification_token IS NOT NULL)" in found["accounts_user_verification"]


@pytest.mark.parametrize("email", ["HOST@example.com", "host@example.com"])
def test_the_database_itself_keeps_addresses_unique(db, email):
    """R-002: also past the forms."""
    UserFactory(email="host@example.com")
    with pytest.raises(IntegrityError):
        User.objects.bulk_create([User(email=email, password="x")])


def test_the_database_knows_the_four_plans_alone(host):
    """R-005."""
    with pytest.raises(IntegrityError):
        User.objects.filter(pk=host.pk).update(subscription_tier="platinum")


def test_a_page_that_saves_a_user_takes_no_plan_back(host):
    """R-005: only billing writes it, by name."""
    read_earlier = User.objects.get(pk=host.pk)
    User.objects.filter(pk=host.pk).update(subscription_tier="professional", session_epoch=3)
    read_earlier.name = "Renamed"
    read_earlier.save()
    host.refresh_from_db()
    assert (host.name, host.subscription_tier, host.session_epoch) == ("Renamed", "professional", 3)


def test_a_plan_is_written_by_its_name(host):
    host.subscription_tier = "individual"
    host.save(update_fields=["subscription_tier"])
    host.refresh_from_db()
    assert host.subscription_tier == "individual"


def test_passwords_are_hashed_by_bcrypt(settings):
    """R-001; the suite itself uses a quick hasher."""
    from gpuadvisor.settings import base

    settings.PASSWORD_HASHERS = base.PASSWORD_HASHERS
    user = User(email="host@example.com")
    user.set_password(PASSWORD)
    assert user.password.startswith("bcrypt_sha256$")
    assert User._meta.get_field("password").column == "password_hash"


@pytest.mark.parametrize(
    "preferences",
    [
        {"theme": "dark", "currency": "EUR", "digest": "daily", "shortcuts": False},
        {"quiet_hours": {"from": "22:00", "to": "07:30"}},
        {"quiet_hours": None, "digest": "off"},
        {},
    ],
)
def test_known_preferences_pass(preferences):
    """R-004."""
    validate_preferences(preferences)


@pytest.mark.parametrize(
    "preferences",
    [
        {"colour": "red"},
        {"theme": "neon"},
        {"theme": ["dark"]},
        {"currency": "XXX"},
        {"shortcuts": 1},
        {"quiet_hours": {"from": "25:00", "to": "07:00"}},
        {"quiet_hours": {"from": "22:00"}},
        {"quiet_hours": "22-7"},
        {"default_portfolio": None},
        [],
        None,
        "dark",
    ],
)
def test_unknown_or_unfit_preferences_are_refused(preferences):
    """R-004."""
    with pytest.raises(ValidationError):
        validate_preferences(preferences)


@pytest.mark.parametrize("zone", ["Mars/Base", "EST5EDT4", "../etc/passwd", "/usr/share", "", "europe/berlin"])
def test_a_zone_that_is_not_of_the_list_is_refused(db, zone):
    """R-003; bad input 33-35."""
    user = UserFactory.build(email="zone@example.com", timezone=zone)
    with pytest.raises(ValidationError) as refusal:
        user.full_clean()
    assert "timezone" in refusal.value.message_dict


def test_every_zone_that_is_offered_can_be_used():
    assert len(zone_names()) > 350
    for name in zone_names():
        zoneinfo.ZoneInfo(name)


def test_a_zone_lost_by_this_machine_reads_as_utc():
    assert zone_of("Atlantis/Center").key == "UTC"


def test_pages_speak_the_users_language_and_leave_it_behind(db):
    """R-003."""
    german = Client()
    german.force_login(UserFactory(language="de", timezone="Asia/Tokyo"))
    assert german.get("/settings/").headers["Content-Language"] == "de"
    english = Client()
    english.force_login(UserFactory(language="en-us"))
    assert english.get("/settings/").headers["Content-Language"] == "en-us"


def test_before_sign_in_the_browser_says_the_language(db):
    assert (
        Client(headers={"accept-language": "fr,en;q=0.5"}).get("/accounts/login/").headers["Content-Language"] == "fr"
    )


def test_createsuperuser_makes_staff_who_can_sign_in(db, client, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", "--noinput", "--email", "Root@Example.com", verbosity=0)
    root = User.objects.get(email="root@example.com")
    assert (root.is_staff, root.is_superuser, root.email_verified) == (True, True, True)
    assert sign_in(client, "root@example.com").headers["location"] == "/dashboard/"
    assert client.get("/admin/").status_code == 200
