"""Sessions and sign-in limits, also with Redis stopped for real (R-058, promises 15 and 20)."""

import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from allauth.mfa.totp.internal import auth
from allauth.usersessions.models import UserSession
from django.conf import settings as django_settings
from django.core.cache import caches
from django.db import connection
from django.test import Client

from gpuadvisor.core.cache import BreakerRedis
from gpuadvisor.servers.binaries import redis_server
from tests.accounts.conftest import confirm_password, is_signed_in, sign_in
from tests.factories import PASSWORD, UserFactory

WRONG = "wrong-horse-77"


class Redis:
    """A cache server of this test's own, which may be stopped and started."""

    def __init__(self, folder):
        self.socket = folder / "cache.sock"
        self.process = None

    @property
    def url(self):
        return f"unix://{self.socket}"

    def start(self):
        command = [
            str(redis_server()),
            "--port",
            "0",
            "--unixsocket",
            str(self.socket),
            "--save",
            "",
            "--daemonize",
            "no",
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(self.socket)) == 0:
                    break
            time.sleep(0.02)
        self._close_breakers()

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None
        self.socket.unlink(missing_ok=True)

    def _close_breakers(self):
        for breaker in BreakerRedis._breakers.values():
            breaker.reset()


@pytest.fixture
def redis(tmp_path_factory, settings):
    server = Redis(tmp_path_factory.mktemp("r"))
    server.start()
    away = {name: django_settings.CACHES[name] | {"LOCATION": server.url} for name in ("sessions", "pages")}
    settings.CACHES = django_settings.CACHES | away
    yield server
    server.stop()


def end_threads_connection(work):
    def run(*args):
        try:
            return work(*args)
        finally:
            connection.close()

    return run


def test_signed_in_hosts_stay_signed_in_while_redis_is_away(host, redis):
    client = Client()
    sign_in(client, host.email)
    redis.stop()
    assert is_signed_in(client)
    assert is_signed_in(client), "also past the breaker"
    redis.start()
    assert is_signed_in(client)


def test_a_sign_in_during_the_outage_lives_on(host, redis):
    redis.stop()
    client = Client()
    assert sign_in(client, host.email).headers["location"] == "/welcome/"
    assert is_signed_in(client)
    redis.start()
    assert is_signed_in(client)


def test_a_session_ended_during_the_outage_stays_ended(host, redis):
    client = Client()
    sign_in(client, host.email)
    assert is_signed_in(client)
    stolen = client.cookies[django_settings.SESSION_COOKIE_NAME].value
    redis.stop()
    client.post("/accounts/logout/")
    thief = Client()
    thief.cookies[django_settings.SESSION_COOKIE_NAME] = stolen
    assert not is_signed_in(thief)
    redis.start()
    assert not is_signed_in(thief), "the copy in Redis is not believed"


def test_a_sign_out_with_redis_up_leaves_other_sessions_alone(host, redis):
    here, there = Client(), Client()
    for client in (here, there):
        sign_in(client, host.email)
    here.post("/accounts/logout/")
    assert not is_signed_in(here)
    assert is_signed_in(there)


def test_a_flushed_redis_logs_nobody_out(host, redis):
    """Fault 7."""
    client = Client()
    sign_in(client, host.email)
    caches["sessions"].clear()
    assert is_signed_in(client)


def test_a_session_ends_after_seven_days_and_its_cookie_is_closed(host):
    client = Client()
    answer = sign_in(client, host.email)
    cookie = answer.cookies[django_settings.SESSION_COOKIE_NAME]
    assert cookie.key == "__Host-sessionid"
    assert (cookie["max-age"], cookie["path"], cookie["domain"]) == (7 * 86_400, "/", "")
    assert (bool(cookie["secure"]), bool(cookie["httponly"]), cookie["samesite"]) == (True, True, "Lax")


def test_signing_in_changes_the_session_key(host):
    client = Client()
    client.get("/accounts/login/")
    client.get("/accounts/password/reset/")
    planted = client.session.session_key
    sign_in(client, host.email)
    assert client.session.session_key != planted


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("redis_is", ["up", "away"])
@pytest.mark.slow
def test_five_wrong_passwords_of_forty_at_once_are_tried(redis, redis_is):
    """Promise 20."""
    host = UserFactory()
    if redis_is == "away":
        redis.stop()

    @end_threads_connection
    def attempt(_):
        # by its text: the test client mixes up the contexts of parallel requests
        return b"are not correct" in sign_in(Client(), host.email, WRONG).content

    with ThreadPoolExecutor(max_workers=20) as pool:
        assert sum(pool.map(attempt, range(40))) == 5
    assert sign_in(Client(), host.email).headers.get("location") is None, "nor is the right one"


def test_a_limit_forgets_nobody_when_the_table_grows(host):
    """The stock 300 rows would throw limits away."""
    for number in range(400):
        caches["default"].set(f"filler:{number}", 1, 600)
    for _ in range(5):
        sign_in(Client(), host.email, WRONG)
    for number in range(400, 800):
        caches["default"].set(f"filler:{number}", 1, 600)
    assert "Too many" in " ".join(sign_in(Client(), host.email).context["form"].non_field_errors())


@pytest.fixture
def totp(host, monkeypatch):
    """The code of a clock that stands: a slow machine is no reason for a code to end."""
    monkeypatch.setattr(auth, "yield_hotp_counters_from_time", lambda: iter([42]))
    secret = auth.generate_totp_secret()
    auth.TOTP.activate(host, secret)
    return auth.format_hotp_value(auth.hotp_value(secret, 42))


@pytest.mark.parametrize("redis_is", ["up", "away"])
def test_a_code_of_the_authenticator_works_once(host, totp, redis, redis_is):
    if redis_is == "away":
        redis.stop()
    first, second = Client(), Client()
    for client in (first, second):
        assert sign_in(client, host.email).headers["location"] == "/accounts/2fa/authenticate/"
        assert not is_signed_in(client)
    assert first.post("/accounts/2fa/authenticate/", {"code": totp}).headers["location"] == "/welcome/"
    replay = second.post("/accounts/2fa/authenticate/", {"code": totp})
    assert replay.context["form"].errors["code"]
    assert not is_signed_in(second)


def test_the_list_of_sessions_ends_the_others(host):
    here, there = Client(headers={"user-agent": "Firefox here"}), Client(headers={"user-agent": "Chrome there"})
    for client in (here, there):
        sign_in(client, host.email)
        assert is_signed_in(client)
    page = here.get("/accounts/sessions/").content
    assert b"Firefox here" in page
    assert b"Chrome there" in page
    here.post("/accounts/sessions/")
    assert is_signed_in(here)
    assert not is_signed_in(there)


def test_when_a_session_was_seen_is_written_once_a_minute(host, django_assert_num_queries):
    client = Client()
    sign_in(client, host.email)
    client.get("/settings/")
    seen = UserSession.objects.get().last_seen_at
    client.get("/settings/")
    assert UserSession.objects.get().last_seen_at == seen
    caches["pages"].clear()
    client.get("/settings/")
    assert seen < UserSession.objects.get().last_seen_at < seen + timedelta(minutes=1)


def test_a_changed_password_ends_other_sessions_and_keeps_this_one(host):
    here, there = Client(), Client()
    for client in (here, there):
        sign_in(client, host.email)
    confirm_password(here)
    new = "another-horse-55"
    here.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert is_signed_in(here)
    assert not is_signed_in(there)


def test_an_old_secret_key_keeps_sessions_by_its_fallback(host, settings):
    """Fault 40."""
    client = Client()
    sign_in(client, host.email)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-key-of-the-same-length-as-before-000000"
    assert is_signed_in(client)
