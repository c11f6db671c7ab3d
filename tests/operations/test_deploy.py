"""What lies in deploy/: checked by the programs that read it, and the switch of releases under load (R-063)."""

import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.db import connection

from gpuadvisor.core import clock
from gpuadvisor.core.models import Heartbeat
from gpuadvisor.operations.schedule import QUEUES
from gpuadvisor.servers import processes
from gpuadvisor.servers.postgres import ROLES

CHECKOUT = Path(settings.BASE_DIR)
DEPLOY = CHECKOUT / "deploy"
EXAMPLE = DEPLOY / "nginx" / "gpu-advisor.conf"


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


def port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


# -- What the files say ------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_every_queue_has_a_worker_of_its_own(compose):
    """Part 7: queues alerts, ingest, chat and bulk apart; an export never delays an alert."""
    taken = {}
    for name, service in compose["services"].items():
        line = service.get("command", [])
        if "worker" in line:
            taken |= dict.fromkeys(line[line.index("-Q") + 1].split(","), name)
    assert set(taken) == {*QUEUES, "celery"}
    assert len({taken[queue] for queue in QUEUES}) == len(QUEUES)


def test_no_secret_no_latest_and_no_registry_stands_in_the_files(compose):
    images = [service["image"] for service in compose["services"].values()]
    images += re.findall(r"^ARG PYTHON_IMAGE=(\S+)", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
    for image in images:
        name, _, tag = image.partition(":")
        assert tag
        assert not tag.startswith("latest")
        assert "." not in name.partition("/")[0], f"{image} names a registry"
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            assert name.endswith("_FILE") or not re.search("KEY|SECRET|PASSWORD|TOKEN", name), name
            assert "@" not in str(value), f"{name} holds a password"


def test_every_file_of_a_secret_is_a_name_that_the_settings_read(compose):
    example = (CHECKOUT / ".env.example").read_text()
    for service in compose["services"].values():
        for name in service.get("environment", {}):
            if not name.startswith("POSTGRES_"):
                assert f"#{name.removesuffix('_FILE')}=" in example, name


def test_the_roles_are_those_of_the_embedded_server():
    """Timeouts belong to the role, the same everywhere: reliability c."""

    def lines(text):
        return {line for line in text.splitlines() if re.match(r"alter role \w+ set ", line)}

    assert lines(ROLES) == lines((DEPLOY / "roles.sh").read_text())


def test_every_path_that_streams_passes_nginx_unbuffered():
    from gpuadvisor.asgi import STREAM_PATHS, UPLOAD_PATH

    text = EXAMPLE.read_text()
    for path in (*STREAM_PATHS, UPLOAD_PATH):
        assert re.search(rf"location (= )?{re.escape(path)} {{", text), path


@needs("systemd-analyze")
def test_the_units_are_read_by_systemd(tmp_path):
    shutil.copytree(DEPLOY / "systemd", tmp_path / "units")
    for unit, name in (("gpu-advisor-web@", "blue"), ("gpu-advisor-worker@", "alerts")):
        shutil.copy(tmp_path / "units" / f"{unit}.service", tmp_path / "units" / f"{unit}{name}.service")
    units = [str(file) for file in (tmp_path / "units").iterdir() if not file.stem.endswith("@")]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, timeout=60)
    said = [line for line in done.stderr.splitlines() if "gpu-advisor" in line and "is not executable" not in line]
    assert said == []  # the programs are not here


@needs("shellcheck")
def test_the_scripts_pass_shellcheck():
    done = subprocess.run(["shellcheck", DEPLOY / "switch", DEPLOY / "roles.sh"], capture_output=True, text=True)
    assert done.stdout == ""


@needs("nginx")
@needs("openssl")
def test_nginx_takes_the_example(tmp_path):
    """As it stands, but for the places of its files."""
    key, certificate, upstream = (tmp_path / name for name in ("privkey.pem", "fullchain.pem", "upstream"))
    subject = ["-subj", "/CN=gpuadvisor.example", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subprocess.run(
        ["openssl", "req", "-x509", *subject, "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    upstream.write_text("server 127.0.0.1:8001;\n")
    text = EXAMPLE.read_text().replace("/etc/ssl/gpu-advisor", str(tmp_path))
    text = text.replace("/etc/nginx/gpu-advisor.upstream", str(upstream))
    whole(tmp_path, text)
    done = subprocess.run(nginx(tmp_path, "-t"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr


def whole(folder, text):
    (folder / "nginx.conf").write_text(
        f"pid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nworker_processes 1;\nevents {{}}\n"
        f"http {{\naccess_log off;\ninclude /etc/nginx/mime.types;\n{text}\n}}\n"
    )


def nginx(folder, *more):
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log"), *more]


# -- The switch --------------------------------------------------------------------------------------------------------
class Box:
    """A host with nginx and two colors of this very checkout, whose units are plain processes."""

    def __init__(self, folder, url):
        self.folder, self.front, self.ports = folder, port(), {"blue": port(), "green": port()}
        self.url = url
        etc = folder / "etc"
        etc.mkdir()
        for color, number in self.ports.items():
            (etc / f"{color}.env").write_text(f"PORT={number}\n")
        self.environment = {
            "DATABASE_URL": url,
            "SITE_URL": f"http://127.0.0.1:{self.front}",
            "STATIC_ROOT": str(folder / "static"),
            "DATA_DIR": str(folder / "data"),
            "DJANGO_SETTINGS_MODULE": "gpuadvisor.settings.test",
            "TRUSTED_PROXY_COUNT": "1",
            **{name: os.environ[name] for name in ("REDIS_URL", "CACHE_URL", "SECRET_KEY")},
        }
        (etc / "advisor.env").write_text("".join(f"{name}='{value}'\n" for name, value in self.environment.items()))
        (folder / "root").mkdir()
        (folder / "data").mkdir()
        (folder / "static").mkdir()
        unit = folder / "unit"
        unit.write_text(
            f"#!/bin/sh\nset -eu\ncd {CHECKOUT}\nset -a; . {etc}/advisor.env; . {etc}/$2.env; set +a\n"
            f"pid={folder}/$2.pid\n"
            'if [ "$1" = stop ]; then kill -TERM "$(cat "$pid")"; exit; fi\n'
            f"setsid {sys.executable} -m uvicorn gpuadvisor.asgi:application --host 127.0.0.1 --port $PORT"
            " --lifespan off --no-proxy-headers --timeout-graceful-shutdown 5 --no-access-log --log-level warning"
            f" >>{folder}/$2.log 2>&1 </dev/null &\n"
            'echo $! >"$pid"\n'
        )
        unit.chmod(0o755)
        text = EXAMPLE.read_text()
        text = re.sub(r"server \{\n    listen 80;.*?\n\}\n", "", text, flags=re.DOTALL)
        text = re.sub(r"    (listen|ssl_)[^\n]*\n", "", text)
        text = text.replace("server_name", f"listen 127.0.0.1:{self.front};\n    server_name")
        text = text.replace("/etc/nginx/gpu-advisor.upstream", str(folder / "upstream"))
        whole(folder, text.replace("/srv/gpu-advisor/static/", f"{folder}/static/"))
        (folder / "upstream").write_text(f"server 127.0.0.1:{self.ports['blue']};\n")

    def unit(self, deed, color):
        subprocess.run([self.folder / "unit", deed, color], check=True, timeout=30)

    def switch(self, *words, **more):
        environment = os.environ | {
            "ROOT": str(self.folder / "root"),
            "ETC": str(self.folder / "etc"),
            "UPSTREAM": str(self.folder / "upstream"),
            "START": f"{self.folder}/unit start ",
            "STOP": f"{self.folder}/unit stop ",
            "AFTERWARDS": "true",
            "NGINX": " ".join(nginx(self.folder)),
            "DRAIN_SECONDS": "2",
            **more,
        }
        return subprocess.run(
            [DEPLOY / "switch", *words], env=environment, capture_output=True, text=True, timeout=240, cwd="/"
        )

    def serving(self):
        return next(
            color for color, number in self.ports.items() if str(number) in (self.folder / "upstream").read_text()
        )

    def close(self):
        subprocess.run(nginx(self.folder, "-s", "quit"), check=False, capture_output=True)
        for color in self.ports:
            file = self.folder / f"{color}.pid"
            if file.exists():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(file.read_text()), signal.SIGKILL)


class Visitors:
    """Four who ask for pages one after the other, on connections kept and on new ones; what they got.

    As browsers do, they ask once more on a new connection where one that was kept is closed just then.
    """

    def __init__(self, number):
        self.port, self.got, self.over = number, Counter(), threading.Event()
        self.threads = [threading.Thread(target=self._visit, args=(one,)) for one in range(4)]

    def _visit(self, one):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        path = "/health/live" if one % 2 else "/accounts/login/"
        while not self.over.is_set():
            is_new = link.sock is None
            try:
                self.got[self._ask(link, path)] += 1
            except (OSError, http.client.HTTPException) as error:
                link.close()
                try:
                    self.got[repr(error) if is_new else self._ask(link, path)] += 1
                except (OSError, http.client.HTTPException) as second:
                    self.got[repr(second)] += 1
                    link.close()
            if one > 1:
                link.close()
            time.sleep(0.05)

    @staticmethod
    def _ask(link, path):
        link.request("GET", path)
        answer = link.getresponse()
        answer.read()
        return answer.status

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


@pytest.fixture
def box(tmp_path, transactional_db):
    """Blue serves behind nginx."""
    if not shutil.which("nginx"):
        pytest.skip("nginx is not installed")
    base, _, query = os.environ["DATABASE_URL"].partition("?")
    Heartbeat.objects.create(name="worker", seen_at=clock.now())
    tmp_path.chmod(0o755)
    made = Box(tmp_path, f"{base.rpartition('/')[0]}/{connection.settings_dict['NAME']}?{query}")
    try:
        made.unit("start", "blue")
        environment = os.environ | made.environment
        wait = [sys.executable, DEPLOY / "answers.py", "ready", str(made.ports["blue"]), "90"]
        assert subprocess.run(wait, env=environment, check=False).returncode == 0, (tmp_path / "blue.log").read_text()
        subprocess.run(nginx(tmp_path), check=True)
        yield made
    finally:
        made.close()


@pytest.mark.slow
def test_a_release_takes_over_without_a_failed_request(box):
    """R-063: a second web unit comes up beside the first, nginx switches once it is ready, the first drains.

    One that is not ready is not switched to: the first goes on serving.
    """
    before = int((box.folder / "blue.pid").read_text())
    broken = box.folder / "broken"
    broken.write_text("#!/bin/sh\nexit 0\n")
    broken.chmod(0o755)
    with Visitors(box.front) as visitors:
        refused = box.switch(str(CHECKOUT), START=f"{broken} ", STOP="true ", READY_SECONDS="1")
        still = box.serving()
        done = box.switch(str(CHECKOUT))
        time.sleep(1)
    assert refused.returncode == 1
    assert "nothing was switched, blue goes on serving" in refused.stderr
    assert still == "blue"
    assert done.returncode == 0, done.stdout + done.stderr
    assert box.serving() == "green"
    assert set(visitors.got) == {200}, visitors.got
    assert sum(visitors.got.values()) > 100
    assert (box.folder / "root" / "current").resolve() == CHECKOUT
    assert processes.wait_until(lambda: processes.state_of(before) != "alive", 10)
