"""The page for people, and the examples of docs/api.md run against a live server."""

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as site

from gpuadvisor.accounts import api_tokens
from gpuadvisor.api import contract, views
from market.cache import forget_market
from portfolios.ingest import merging
from portfolios.models import MetricSample, PerformanceMetric
from tests.factories import (
    GPUConfigurationFactory,
    GPUModelFactory,
    PlatformFactory,
    PortfolioFactory,
    UserFactory,
)

PAGE = "/api/v1/docs"


def test_the_page_tells_every_endpoint_parameter_field_and_error(client, db):
    page = client.get(PAGE).content.decode()
    schema = contract.committed()
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            assert f"{method.upper()} {path}</code>" in page
            for parameter in operation.get("parameters", []):
                assert parameter["in"] == "path" or f"<code>{parameter['name']}</code>" in page
    for shape in ("MarketOut", "MetricIn", "SampleIn", "GPUConfigurationOut"):
        for field in schema["components"]["schemas"][shape]["properties"]:
            assert f"<code>{field}</code>" in page
    assert "429 Too Many Requests" in page
    assert "60 requests an hour" in page
    assert "3,600 an hour" in page


def test_the_page_keeps_the_policy(client, db):
    page = client.get(PAGE)
    assert "default-src 'self'" in page["Content-Security-Policy"]
    assert not re.search(
        r"<script>|<script(?![^>]*\ssrc=)[^>]*>(?!\s*\{)\s*\S|\sstyle=|\son[a-z]+=", page.content.decode()
    )


def test_the_page_greets_who_is_signed_in(host_client):
    """It is a page: with a session, unlike the endpoints."""
    assert "Dashboard" in host_client.get(PAGE).content.decode()


def test_examples_of_the_page_answer(client, small_market):
    page = client.get(PAGE).content.decode()
    addresses = re.findall(re.escape(f"&quot;{site.SITE_URL.rstrip('/')}") + "(/api/v1/.*?)&quot;", page)
    told = [one for methods in contract.committed()["paths"].values() for one in [methods] * len(methods)]
    assert len(addresses) == len(told)
    for address, methods in zip(addresses, told, strict=True):
        got = client.get(address.replace("&amp;", "&")).status_code
        expected = 405 if "get" not in methods else 200 if {} in methods["get"]["security"] else 401
        assert got == expected, address


def test_the_page_draws_the_contract_up_once(client, db, monkeypatch):
    client.get(PAGE)
    monkeypatch.setattr(views.api, "get_openapi_schema", None)
    assert client.get(PAGE).status_code == client.get("/api/v1/openapi.json").status_code == 200


def test_no_line_of_an_example_command_is_long(client, db):
    """What is cut at the edge of a screen looks whole."""
    page = client.get(PAGE).content.decode()
    commands = [block for block in re.findall(r"<code>(.*?)</code>", page, re.DOTALL) if block.startswith("curl")]
    assert len(commands) == sum(len(methods) for methods in contract.committed()["paths"].values()) + 1
    for command in commands:
        first, *_more, last = html.unescape(command).split("\n")
        assert first == 'curl -H "Authorization: Bearer $TOKEN" \\'
        assert f'"{site.SITE_URL.rstrip("/")}/api/v1/' in last


def examples(language):
    text = (Path(site.BASE_DIR) / "docs" / "api.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.django_db(transaction=True)
def test_the_examples_of_the_manual_run(live_server):
    for name in ("RTX 4090", "RTX 4080", "RTX 3090"):
        GPUModelFactory(name=name)
    PlatformFactory()
    forget_market()
    key = api_tokens.create_token(user=UserFactory(), name="Manual")[1]
    environment = os.environ | {"SITE": live_server.url, "TOKEN": key}
    shell, _posts = examples("sh")
    answers = subprocess.run(
        ["bash", "-euc", shell], env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert answers.count('"data"') == 2
    assert '"rtx-3090"' in answers
    program, _posts = examples("python")
    printed = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert printed == "['rtx-3090', 'rtx-4080', 'rtx-4090']\n304\n"
    assert key not in (Path(site.BASE_DIR) / "docs" / "api.md").read_text()


@pytest.mark.django_db(transaction=True)
def test_the_examples_of_posts_run(live_server):
    """R-055: with curl, and with Python's standard library."""
    PlatformFactory()
    gpu = GPUConfigurationFactory(portfolio=PortfolioFactory(user=UserFactory()))
    key = api_tokens.create_token(user=gpu.portfolio.user, name="Manual", scopes=["read", "ingest"])[1]
    environment = os.environ | {"SITE": live_server.url, "TOKEN": key}
    _reads, shell = examples("sh")
    _reads, program = examples("python")
    for command in (["bash", "-euc", shell], [sys.executable, "-c", program]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
    assert done.stdout == "1 True\nNone\n"
    assert merging.merge_waiting() == 2
    assert str(MetricSample.objects.get().watts) == "287.5"
    assert sorted(str(day.daily_revenue) for day in PerformanceMetric.objects.all()) == ["0.11", "16.83"]
