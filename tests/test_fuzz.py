"""No input produces a 5xx (promise 28): every route with what no browser sends."""

import pytest
from django.conf import settings
from django.test import Client

from tests.core.test_http import call_asgi
from tests.test_access import ROUTES, address

COOKIES = [
    '"aaaaaaaaaa\\000bbbbb"',
    "x" * 5000,
    "ÿ",
    "../../etc/passwd",
    "' or 1=1 --",
    "\ud800".encode("utf-8", "surrogatepass").decode("latin1"),
]
QUERIES = [
    "next=http://[",
    "next=//evil.example",
    "q=%ff%fe",
    "q=" + "a" * 5000,
    "page=0&period=%F0%9F%9A%80&gpu=%27&after=not-a-uuid&sort=user__password",
    "page=1000000000000000000000000000000",
    "q=%00",
    "=&&&==",
]
BODIES = [
    (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\xfe\r\n--x--\r\n',
    ),
    ("multipart/form-data; boundary=", b"junk"),
    ("application/json", b"[" * 100_000),
    (
        "application/x-www-form-urlencoded",
        b"credential=" + b"9" * 5000 + b"&email=%00@x&login=%ED%A0%80&name=%00&once=1",
    ),
    ("application/x-www-form-urlencoded", b"credential=" + b"[" * 15_000),
    ("application/x-www-form-urlencoded", b'credential={"id":"\\ud800","rawId":5,"response":[]}'),
    ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % n for n in range(3000))),
    ("application/x-www-form-urlencoded", b"name=" + b"x" * 1_100_000),
]
PATHS = sorted(ROUTES)


@pytest.fixture(params=["nobody", "host"])
def visitor(request, host, db):
    client = Client(raise_request_exception=False)
    if request.param == "host":
        client.force_login(host)
    return client


def faults(client, calls):
    return [name for name, call in calls if call().status_code >= 500 and name != "core:health-ready"]


@pytest.mark.slow
@pytest.mark.parametrize("query", QUERIES)
def test_no_query_is_our_fault(visitor, world, query):
    calls = [(name, lambda name=name: visitor.get(f"{address(name, world)}?{query}")) for name in PATHS]
    assert faults(visitor, calls) == []


@pytest.mark.slow
@pytest.mark.parametrize(("content_type", "body"), BODIES)
def test_no_body_is_our_fault(visitor, world, content_type, body):
    calls = [
        (name, lambda name=name: visitor.post(address(name, world), body, content_type=content_type)) for name in PATHS
    ]
    assert faults(visitor, calls) == []


@pytest.mark.parametrize("cookie", COOKIES)
@pytest.mark.slow
def test_no_cookie_is_our_fault(db, world, cookie):
    client = Client(raise_request_exception=False, HTTP_COOKIE=f"{settings.SESSION_COOKIE_NAME}={cookie}")
    calls = [(name, lambda name=name: client.get(address(name, world))) for name in PATHS]
    assert faults(client, calls) == []


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        *((f"text/plain; charset={name}", 415) for name in ("hex", "base64", "zlib", "rot13", "punycode", "latin1")),
        ("multipart/form-data; boundary=x; charset=unicode_escape", 415),
        ("text/plain; charset=utf-7; charset=utf-8", 415),
        ("application/x-www-form-urlencoded; CHARSET=Latin1", 415),
        ("application/x-www-form-urlencoded; charset=UTF-8", 403),  # on to the page, which misses its token
        ('application/x-www-form-urlencoded; charset="utf-8"', 403),
    ],
)
def test_a_strange_charset_is_refused_at_the_door(db, content_type, status):
    """Django would decode the query by it before any middleware runs."""
    body = {"type": "http.request", "body": b"a=1", "more_body": False}
    assert call_asgi([body], content_type=content_type, content_length="3") == status


def test_a_form_too_large_is_refused_with_the_limit(client, db):
    body = b"email=" + b"x" * 1_100_000
    response = client.post("/accounts/login/", body, content_type="application/x-www-form-urlencoded")
    assert (response.status_code, response.content) == (413, b"At most 1 MB in a form.")
