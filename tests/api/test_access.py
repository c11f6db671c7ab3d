"""Who may ask how often: tokens, addresses, and what holds when Redis is away (R-061)."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import caches
from django.db import connection

from gpuadvisor.accounts import api_tokens
from gpuadvisor.api import limits
from gpuadvisor.api.problems import DETAILS, Problem
from tests.api.conftest import BASE

MODELS = f"{BASE}/models"


def left(response):
    return tuple(int(response[f"RateLimit-{name}"]) for name in ("Limit", "Remaining"))


def test_without_a_token_an_address_has_a_small_allowance(ask, settings):
    settings.API_ANONYMOUS_PER_HOUR = 2
    assert [left(ask("/models")) for _ in range(2)] == [(2, 1), (2, 0)]
    refused = ask("/models")
    assert (refused.status_code, refused["Content-Type"]) == (429, "application/problem+json")
    assert left(refused) == (2, 0)
    assert 3500 < int(refused["Retry-After"]) <= 3600
    assert refused["Retry-After"] == refused["RateLimit-Reset"]


def test_a_token_has_an_allowance_of_its_own(ask, key, host, settings):
    settings.API_ANONYMOUS_PER_HOUR, settings.API_TOKEN_PER_HOUR = 1, 2
    other = api_tokens.create_token(user=host, name="Other")[1]
    assert [ask("/models").status_code for _ in range(2)] == [200, 429]
    assert [ask("/models", key=key).status_code for _ in range(3)] == [200, 200, 429]
    assert left(ask("/models", key=other)) == (2, 1)


def test_an_hour_later_the_allowance_is_whole_again(ask, settings):
    settings.API_ANONYMOUS_PER_HOUR = 1
    assert [ask("/models").status_code for _ in range(2)] == [200, 429]
    with connection.cursor() as cursor:
        cursor.execute("update limits set expires = expires - interval '1 hour'")
    assert ask("/models").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_the_allowance_is_exact_under_parallel_requests():
    caches["default"].clear()

    def one(_number):
        try:
            limits.charge("address:parallel", most=25)
        except Problem as problem:
            return problem.status
        finally:
            connection.close()
        return 200

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(one, range(60)))
    caches["default"].clear()
    assert (answers.count(200), answers.count(429)) == (25, 35)


def test_the_allowance_is_exact_without_redis(ask, settings):
    """Promise 15."""
    for name in ("sessions", "pages"):
        settings.CACHES = settings.CACHES | {name: settings.CACHES[name] | {"LOCATION": "redis://127.0.0.1:1/0"}}
    settings.API_ANONYMOUS_PER_HOUR = 3
    assert [ask("/models").status_code for _ in range(5)] == [200, 200, 200, 429, 429]


def test_the_sweep_of_the_sign_in_limits_takes_ended_hours_along(ask):
    from gpuadvisor.core.tasks import sweep_limits

    ask("/models")
    with connection.cursor() as cursor:
        cursor.execute("update limits set expires = expires - interval '2 hours' where cache_key like 'api:%'")
        sweep_limits()
        cursor.execute("select count(*) from limits where cache_key like 'api:%'")
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize(
    ("count", "forwarded", "same"),
    [
        (0, ["1.1.1.1", "2.2.2.2"], True),
        (1, ["1.1.1.1", "2.2.2.2"], False),
        (1, ["9.9.9.9, 1.1.1.1", "8.8.8.8, 1.1.1.1"], True),
    ],
    ids=["no proxy", "one proxy", "forged"],
)
def test_the_address_is_the_one_that_sign_in_counts(ask, settings, count, forwarded, same):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = count
    settings.API_ANONYMOUS_PER_HOUR = 1
    answers = [ask("/models", **{"X-Forwarded-For": value}).status_code for value in forwarded]
    assert answers == ([200, 429] if same else [200, 200])


@pytest.mark.parametrize("forwarded", ["garbage", "1.1.1.1, x", "999.1.1.1"])
def test_an_address_that_is_none_is_a_bad_request(ask, settings, forwarded):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    refused = ask("/models", **{"X-Forwarded-For": forwarded})
    assert (refused.status_code, refused["Content-Type"]) == (400, "application/problem+json")
    assert "X-Forwarded-For" in refused.json()["detail"]


def refusals(key):
    return {
        "wrong": f"Bearer gpa_{'x' * 43}",
        "twice": f"Bearer {key}, Bearer {key}",
        "doubled": f"Bearer Bearer {key}",
        "no scheme": key,
        "other scheme": f"Token {key}",
        "basic": "Basic dXNlcjpwYXNz",
        "empty": "",
        "nothing": "Bearer ",
        "spaces": f"Bearer  {key}",
        "long": "Bearer " + "x" * 5000,
        "cut": f"Bearer {key[:-1]}",
        "more": f"Bearer {key}x",
    }


@pytest.mark.parametrize("kind", sorted(refusals("x")))
def test_what_is_no_live_token_is_refused_with_the_same_words(ask, key, kind):
    """f 54, 55"""
    refused = ask("/models", Authorization=refusals(key)[kind])
    assert refused.status_code == 401
    assert refused["WWW-Authenticate"] == 'Bearer realm="GPU Advisor API"'
    body = refused.json()
    assert body.pop("request_id") == refused["X-Request-ID"]
    assert body == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": DETAILS[401],
        "instance": MODELS,
        "errors": [],
    }


@pytest.mark.parametrize("change", ["revoked", "inactive", "deleted"])
def test_a_token_ends_with_its_revocation_or_its_user(ask, key, host, change):
    assert ask("/models", key=key).status_code == 200
    if change == "revoked":
        api_tokens.revoke_token(host.api_tokens.get(), by=host)
    elif change == "inactive":
        host.is_active = False
        host.save()
    else:
        host.delete()
    assert ask("/models", key=key).status_code == 401


@pytest.mark.parametrize("name", ["token", "access_token", "api_key", "q", "anything"])
def test_a_token_in_the_address_is_refused_even_beside_a_good_one(ask, key, name):
    assert ask("/models", {name: key}).status_code == 401
    assert ask("/models", {name: key}, key=key).status_code == 401


def test_guessing_costs_the_address_not_nobody(ask, settings):
    settings.API_ANONYMOUS_PER_HOUR = 2
    wrong = "gpa_" + "x" * 43
    assert [ask("/models", key=wrong).status_code for _ in range(3)] == [401, 401, 429]


def test_a_used_up_address_does_not_stop_a_token(ask, key, settings):
    settings.API_ANONYMOUS_PER_HOUR = 0
    assert (ask("/models").status_code, ask("/models", key=key).status_code) == (429, 200)


def test_a_session_means_nothing_here(host_client, host, settings):
    """No cookie is read, so no other site's page can read as its visitor."""
    settings.API_ANONYMOUS_PER_HOUR = 1
    assert [host_client.get(MODELS).status_code for _ in range(2)] == [200, 429]
    assert "Set-Cookie" not in host_client.get(MODELS)


def test_the_schema_and_its_page_cost_nothing(ask, settings):
    settings.API_ANONYMOUS_PER_HOUR = 0
    assert (ask("/openapi.json").status_code, ask("/docs").status_code) == (200, 200)


def test_no_log_line_holds_a_token(ask, key, caplog):
    caplog.set_level("DEBUG")
    ask("/models", key=key)
    ask("/models", {"token": key})
    ask("/models", key=key + "x")
    assert key not in caplog.text


def test_a_page_of_another_site_may_read_without_a_token_and_nothing_else(client, db):
    headers = {"Origin": "https://elsewhere.example"}
    response = client.get(MODELS, headers=headers)
    assert response["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response
    assert "RateLimit-Remaining" in response["Access-Control-Expose-Headers"]
    asked = {**headers, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    preflight = client.options(MODELS, headers=asked)
    assert (preflight.status_code, preflight["Access-Control-Allow-Methods"]) == (204, "GET, HEAD")
    assert "authorization" not in preflight["Access-Control-Allow-Headers"].lower()


def test_what_was_asked_with_a_token_is_kept_by_no_shared_cache(ask, key):
    response = ask("/models", key=key)
    assert (response["Cache-Control"], response["Vary"]) == ("private, max-age=60", "Authorization")
    assert ask("/models", key="x")["Cache-Control"] == "no-store"
