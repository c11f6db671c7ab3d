"""Browser tests: Debian's Chromium against the real server (uvicorn, hashed static files), on the test database."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction

os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's loop runs beside the ORM here
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# Words of the console that are faults of ours: the policy stopped something, or htmx was asked for what is off.
FAULTS = ("Content Security Policy", "htmx:evalDisallowedError", "Refused to")


def pytest_collection_modifyitems(items):
    if CHROMIUM is None:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="no Chromium here: install the Debian package chromium"))


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": [*quiet, "--disable-component-update"]}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def run_site(port=None, has_worker=False, **more):
    """The site on a free port, with more variables of its environment; its address.

    With a worker for what hosts wait for and, where EMAIL_URL is one of the variables, for mails. No beat sweeps.
    """
    port = port or free_port()
    name = connection.settings_dict["NAME"]
    base, _, query = os.environ["DATABASE_URL"].partition("?")
    folder = tempfile.mkdtemp(prefix="gpa-browser-")
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.browser.settings",
        "DATABASE_URL": f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else ""),
        "DATABASE_ROLE": "owner",
        "DATA_DIR": folder,
        "CACHE_KEY_PREFIX": "browser",
        "SITE_URL": f"http://localhost:{port}",
        "LOG_LEVEL": "WARNING",
        **more,
    }
    collect = [sys.executable, "-m", "django", "collectstatic", "--noinput", "-v0"]
    subprocess.run(collect, env=env, cwd=settings.BASE_DIR, check=True)
    command = [sys.executable, "-m", "uvicorn", "gpuadvisor.asgi:application", "--port", str(port), "--lifespan", "off"]
    process = subprocess.Popen(
        [*command, "--no-proxy-headers", "--no-access-log", "--log-level", "warning"], env=env, cwd=settings.BASE_DIR
    )
    address = f"http://localhost:{port}"
    for _ in range(600):  # a busy machine is no finding
        try:
            urllib.request.urlopen(f"{address}/health/live", timeout=2)
            break
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    processes = [process]
    if has_worker:
        celery = [sys.executable, "-m", "celery", "--quiet", "-A", "gpuadvisor", "worker", "--loglevel", "WARNING"]
        queues = ["-P", "threads", "--concurrency", "3", "-Q", "alerts,chat"]
        alone = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        processes.append(subprocess.Popen([*celery, *queues, *alone], env=env, cwd=settings.BASE_DIR))
    yield address
    for one in reversed(processes):
        one.terminate()
    for one in processes:
        one.wait(15)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server(django_db_setup, django_db_blocker):
    """The site on a free port; its address."""
    with django_db_blocker.unblock(), run_site() as address, django_db_blocker.block():
        yield address


KEPT = "kept_for_browser_tests"  # a schema of copies: making a month of market takes longer than copying its rows


def _kept_tables(cursor):
    """Every table of ours with its columns that can be written, parents of partitions instead of partitions."""
    cursor.execute(
        """
        select c.relname, string_agg(format('%I', a.attname), ', ' order by a.attnum) from pg_class c
        join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
        where c.relkind in ('r', 'p') and not c.relispartition and c.relname !~ '^(django|auth)_'
        group by c.relname
        """
    )
    return cursor.fetchall()


@pytest.fixture(scope="session")
def kept():
    """Whether the rows of `site` were made and copied aside."""
    return {"is_made": False}


@pytest.fixture
def site(server, transactional_db, kept):
    """The site with the catalog, a month of simulated market and the demo host; its address. Made once per run."""
    from market.cache import forget_market
    from market.invented import simulate

    if not kept["is_made"]:
        call_command("load_gpu_catalog", verbosity=0)
        simulate(days=30)
        call_command("load_demo", verbosity=0)
    with transaction.atomic(), connection.cursor() as cursor:
        if not kept["is_made"]:
            cursor.execute(f"drop schema if exists {KEPT} cascade; create schema {KEPT}")
        cursor.execute("set constraints all deferred")
        for table, columns in _kept_tables(cursor):
            if kept["is_made"]:
                cursor.execute(
                    f'insert into "{table}" ({columns}) select {columns} from {KEPT}."{table}" on conflict do nothing'
                )
            else:
                cursor.execute(f'create table {KEPT}."{table}" as select {columns} from "{table}"')
        # As autovacuum would within a minute: nobody plans with the empty tables of before.
        cursor.execute("analyze market_data, market_daily, pricing_snapshots, utilization_trends")
    kept["is_made"] = True
    forget_market()
    yield server
    _wait_until_idle()


def _wait_until_idle():
    """Until the server answers nothing any more: a panel that still loads would hold tables that are about to go."""
    quiet = 0
    for _ in range(200):
        with connection.cursor() as cursor:
            cursor.execute(
                "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
                " and backend_type = 'client backend' and state <> 'idle'"
            )
            quiet = quiet + 1 if cursor.fetchone()[0] == 0 else 0
        if quiet == 3:
            return
        time.sleep(0.1)


@pytest.fixture(scope="session")
def base_url(server):
    return server


@pytest.fixture(autouse=True)
def console(request):
    """Every line of the console that names a fault of ours fails the test."""
    lines = []
    if "page" in request.fixturenames:
        page = request.getfixturevalue("page")
        page.on("console", lambda message: lines.append(message.text))
        page.on("pageerror", lambda error: lines.append(f"Refused to go on: {error}"))
    yield lines
    faults = [line for line in lines if any(word in line for word in FAULTS)]
    assert faults == []


@pytest.fixture
def without_javascript(browser, server):
    """A page of a browser that runs no script."""
    context = browser.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


@pytest.fixture
def sign_in(server, page):
    """Sign a user of the factories in through the page itself."""

    def enter(email, password):
        page.goto(f"{server}/accounts/login/")
        page.fill("input[name=login]", email)
        page.fill("input[name=password]", password)
        page.click("main form button[type=submit] >> nth=0")
        page.wait_for_url(re.compile("/(dashboard|welcome)/"))
        if "/welcome/" in page.url:  # a host without a portfolio is led through the first steps
            page.goto(f"{server}/dashboard/")

    return enter
