"""Settings: named in .env.example, secure by default, and a start that refuses what is unsafe."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from gpuadvisor.settings.base import Env, Environment, env

EXAMPLE = Path(settings.BASE_DIR) / ".env.example"
SETTINGS = Path(settings.BASE_DIR) / "gpuadvisor" / "settings"
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "gpuadvisor.settings.prod",
    "SECRET_KEY": "f8Zk2-not-a-real-key-but-long-and-mixed-enough-0123456789-QwErTy",
    "SITE_URL": "https://gpuadvisor.example",
    "DATABASE_URL": "postgres://nobody@localhost/none",
    "REDIS_URL": "redis://localhost:1/0",
    "CACHE_URL": "redis://localhost:1/1",
    "EMAIL_URL": "smtp://localhost:1025",
    "DEFAULT_FROM_EMAIL": "advisor@gpuadvisor.example",
}
NOT_OF_SETTINGS = {"PORT"}  # read by `make run` alone


def names_read():
    text = "".join(path.read_text() for path in SETTINGS.glob("*.py"))
    names = set(re.findall(r'env(?:\.\w+)?\(\s*"([A-Z_]+)"', text))
    for part in ("CLIENT_ID", "CLIENT_SECRET"):
        names |= {f"{provider.upper()}_{part}" for provider in settings.SOCIAL_PROVIDERS}
    return names


def check_deploy(**extra):
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **PRODUCTION, **extra}
    env = {name: value for name, value in env.items() if value is not None}
    command = [sys.executable, "-m", "django", "check", "--deploy", "--fail-level", "WARNING"]
    return subprocess.run(command, env=env, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=60)


def test_every_name_read_stands_in_the_example_and_no_other():
    example = re.findall(r"^#([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE)
    assert sorted(set(example)) == sorted(example), "a name stands twice"
    assert set(example) == names_read() | NOT_OF_SETTINGS


def test_a_copied_example_sets_nothing():
    lines = EXAMPLE.read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


@pytest.mark.slow
def test_an_empty_name_is_an_unset_one():
    assert (
        check_deploy(CONN_MAX_AGE="", DATABASE_ROLE="", TRUSTED_PROXY_COUNT="", SECURE_SSL_REDIRECT="").returncode == 0
    )


@pytest.mark.slow
def test_production_passes_the_deployment_check():
    result = check_deploy()
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"DEBUG": "1", "ALLOWED_HOSTS": "gpuadvisor.example"}, "DEBUG"),
        ({"DEBUG": "1"}, "DEBUG"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY"),
        ({"SECRET_KEY": None}, "SECRET_KEY"),
        ({"SITE_URL": "http://gpuadvisor.example"}, "SITE_URL"),
        ({"STRIPE_API_BASE": "http://127.0.0.1:8091"}, "STRIPE_API_BASE"),
        ({"STRIPE": "standin"}, "STRIPE=standin"),
        ({"STRIPE_KEY": "pk_test_" + "a" * 24}, "STRIPE_KEY"),
        ({"EMAIL_URL": None}, "EMAIL_URL"),
        ({"EMAIL_URL": ""}, "EMAIL_URL"),
        ({"DJANGO_SETTINGS_MODULE": "gpuadvisor.settings.dev", "DEBUG": "1", "ALLOWED_HOSTS": "gpu.example"}, "DEBUG"),
    ],
)
def test_an_unsafe_start_is_refused_with_its_reason(change, sentence):
    result = check_deploy(**change)
    assert result.returncode != 0
    assert sentence in result.stderr.splitlines()[-1]


def test_cookies_are_bound_to_this_host():
    for cookie in ("SESSION", "CSRF"):
        assert getattr(settings, f"{cookie}_COOKIE_NAME").startswith("__Host-")
        assert getattr(settings, f"{cookie}_COOKIE_SECURE")
        assert getattr(settings, f"{cookie}_COOKIE_HTTPONLY")
        assert getattr(settings, f"{cookie}_COOKIE_SAMESITE") == "Lax"


def test_the_policy_allows_nothing_inline_and_nothing_foreign():
    directives = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    assert directives["script-src"] == directives["style-src"] == ["'self'"]
    assert not any("unsafe" in value for values in directives.values() for value in values)


def test_tasks_end_before_their_message_is_handed_out_again():
    assert settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"] > settings.CELERY_TASK_TIME_LIMIT
    assert settings.CELERY_TASK_ACKS_LATE
    assert settings.CELERY_TASK_REJECT_ON_WORKER_LOST


KEYS = ("RUNPOD_API_KEY", "VAST_API_KEY", "LAMBDA_API_KEY")


def test_a_key_is_read_without_what_a_copied_file_leaves_around_it(monkeypatch):
    """R-034: a trailing line break made every request fail with the key in the error."""
    monkeypatch.setenv("RUNPOD_API_KEY", " rpa_secret\r\n")
    assert env.key("RUNPOD_API_KEY") == "rpa_secret"
    monkeypatch.delenv("RUNPOD_API_KEY")
    assert env.key("RUNPOD_API_KEY") == ""


@pytest.mark.parametrize("name", KEYS)
def test_a_key_with_a_character_that_no_key_has_stops_the_start_and_is_not_told(name):
    result = check_deploy(**{name: "sk-SEC\nRET"})
    assert result.returncode != 0
    assert result.stderr.splitlines()[-1].endswith(
        f"{name} holds characters that no key has, a line break perhaps: set it again."
    )
    assert "sk-SEC" not in result.stderr


def test_a_secret_may_stand_in_a_file(tmp_path, monkeypatch):
    """Its last line break does not count, the file comes before the name, and one that is missing stops the start."""
    file = tmp_path / "secret_key"
    file.write_text(PRODUCTION["SECRET_KEY"] + "\n")
    monkeypatch.setenv("SECRET_KEY_FILE", str(file))
    monkeypatch.setattr(Env, "ENVIRON", Environment())
    assert Env().str("SECRET_KEY") == PRODUCTION["SECRET_KEY"]
    monkeypatch.setenv("EMAIL_URL_FILE", str(tmp_path / "none"))
    with pytest.raises(ImproperlyConfigured, match="EMAIL_URL_FILE names a file that cannot be read"):
        Env().str("EMAIL_URL", default="")


@pytest.mark.slow
def test_a_replica_and_a_pooler_are_settings():
    """Transaction pooling wants no cursor beyond a transaction; prepared statements are off with Django's psycopg."""
    shown = (
        "import django; django.setup(); from django.db import connections as c;"
        " print([(c[a].settings_dict['DISABLE_SERVER_SIDE_CURSORS'], c[a].get_connection_params()['prepare_threshold'],"
        " c[a].settings_dict['NAME']) for a in c])"
    )
    env = {**os.environ, **PRODUCTION, "DATABASE_POOLED": "1", "DATABASE_REPLICA_URL": "postgres://nobody@there/copy"}
    done = subprocess.run([sys.executable, "-c", shown], env=env, cwd=settings.BASE_DIR, capture_output=True, text=True)
    assert done.stdout.strip() == "[(True, None, 'none'), (True, None, 'copy')]", done.stderr
