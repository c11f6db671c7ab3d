"""A site on six machines: PostgreSQL and Redis on one, two with web, three with workers, each killed under load.

A program (`python -m tests.operations.hosts`) that prints one line of JSON. Where it may, each machine is a network
namespace on a bridge, inside a namespace that the program runs in; else they are processes of one host, and it says so.
What counts is what the receiver saw, and what visitors got from one web or the other.
"""

import contextlib
import http.client
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from alerts import chaos
from gpuadvisor.servers import keeper, postgres, processes
from gpuadvisor.servers.keeper import Keeper
from gpuadvisor.servers.places import CHECKOUT, settle

HUB, NET = "10.99.0.1", "10.99.0"
ALERTS = 80
WEB_PORT = 8000
CELERY = [sys.executable, "-W", "ignore", "-m", "celery", "--quiet", "-A", "gpuadvisor"]
QUIET = ["--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"]
BEGIN = """until ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done
ip link set lo up; ip addr add "$1/24" dev eth0; ip link set eth0 up; shift; exec "$@" """


def run(*line):
    subprocess.run(line, check=True, capture_output=True)


class Receiver(chaos.Receiver):
    """As in the chaos run, on the hub's address."""

    def __init__(self, address):
        super(chaos.Receiver, self).__init__((address, 0), chaos._Handler)
        self.took, self.refused, self.under_way = [], 0, 0
        self.gate, self.dice = threading.Lock(), chaos.random.Random(4)

    @property
    def host(self):
        return "{}:{}".format(*self.server_address[:2])


class Machine:
    """One host with one program, which a service manager starts again two seconds after it was killed."""

    def __init__(self, number, name, role, line, *, apart, log):
        self.address = f"{NET}.{10 + number}" if apart else "127.0.0.1"
        self.name, self._number, self._apart, self._log = name, number, apart, log
        self._line, self._role = [word.format(address=self.address) for word in line], role
        self.child = None

    def start(self):
        line = self._line
        if self._apart:
            line = ["unshare", "--net", "--", "sh", "-c", BEGIN, "sh", self.address, *line]
        with self._log.open("ab") as output:
            self.child = subprocess.Popen(
                processes.tied(line, dies_by="KILL"),
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                cwd=CHECKOUT,
                env=os.environ | {"DATABASE_ROLE": self._role},
            )
        if self._apart:
            processes.wait_until(self._is_apart, 10)
            cable = f"v{self._number}"
            subprocess.run(["ip", "link", "del", cable], capture_output=True, check=False)  # of the life before
            run("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", str(self.child.pid))
            run("ip", "link", "set", cable, "master", "hub", "up")

    def _is_apart(self):
        here, there = (Path(f"/proc/{pid}/ns/net").readlink() for pid in ("self", self.child.pid))
        return here != there

    def end(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, number)
        self.child.wait(60)


class Visitors:
    """What stands before the webs: it asks the other one where one does not answer, as nginx does."""

    def __init__(self, webs):
        self.webs, self.got, self.moved, self.over = webs, Counter(), 0, threading.Event()
        self.threads = [threading.Thread(target=self._visit, args=(one,), daemon=True) for one in range(3)]
        for thread in self.threads:
            thread.start()

    def _visit(self, turn):
        while not self.over.is_set():
            turn += 1
            for attempt, (address, port) in enumerate((self.webs * 2)[turn % 2 : turn % 2 + 2]):
                link = http.client.HTTPConnection(address, port, timeout=20)
                try:
                    link.request(
                        "GET", "/robots.txt" if turn % 3 else "/accounts/login/", headers={"Host": "localhost"}
                    )
                    status = link.getresponse().status
                except (OSError, http.client.HTTPException) as error:
                    status = type(error).__name__
                finally:
                    link.close()
                if isinstance(status, int) or attempt:
                    self.got[str(status)] += 1
                    break
                self.moved += 1
            time.sleep(0.05)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def redis_servers(places, address):
    """Two on the hub, reached by their ports."""
    children, urls = [], {}
    for number, (name, more) in enumerate({"REDIS_URL": "noeviction", "CACHE_URL": "allkeys-lru"}.items()):
        port = 6390 + number
        line = [str(places.redis_server()), "--port", str(port), "--bind", address, "--protected-mode", "no", "--save"]
        line += [
            "",
            "--appendonly",
            "no",
            "--dir",
            str(places.data),
            "--maxmemory",
            "128mb",
            "--maxmemory-policy",
            more,
        ]
        children.append(
            subprocess.Popen(processes.tied(line, dies_by="TERM"), stdout=subprocess.DEVNULL, cwd="/", env={})
        )
        urls[name] = f"redis://{address}:{port}/0"
    return children, urls


def main():
    apart = "--apart" in sys.argv
    hub = HUB if apart else "127.0.0.1"
    if apart:
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "hub", "type", "bridge")
        run("ip", "addr", "add", f"{HUB}/24", "dev", "hub")
        run("ip", "link", "set", "hub", "up")
    began = time.monotonic()
    data = Path(tempfile.mkdtemp(prefix="gpa-hosts-")).resolve()
    data.chmod(0o711)
    places = settle(data, by_hand=True, is_temporary=True)
    servers, machines, redis, log = Keeper(places), [], [], data / "hosts.log"
    try:
        keeper.prepare(places, "postgres")
        if apart:
            (places.pg / "local.conf").write_text(f"listen_addresses = '{hub}'\n")
            places.account.own(places.pg / "local.conf", 0o600)
        with (places.pg / "pg_hba.conf").open("a") as file:
            file.write(f"host all all {NET}.0/24 trust\n")
        servers.start(["postgres"])
        redis, urls = redis_servers(places, hub)
        for name, role in (("DATABASE_URL", "app"), ("WEB_DATABASE_URL", "web"), ("WORKER_DATABASE_URL", "worker")):
            os.environ[name] = f"postgres://{role}@{hub}:5432/gpuadvisor" if apart else postgres.url(places, role)
        receiver = Receiver(hub)
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        os.environ |= urls | {
            "DATA_DIR": str(data),
            "SECRET_KEY": secrets.token_urlsafe(64),
            "GUARD_ALLOWED_HOSTS": receiver.host,
            "DJANGO_SETTINGS_MODULE": "gpuadvisor.settings.test",
            "DATABASE_ROLE": "owner",
            **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"),  # no source is asked from here
        }
        keys = chaos._set_up(ALERTS, receiver.host)
        webs = []
        for number in (0, 1):
            port = WEB_PORT if apart else 8190 + number
            line = [sys.executable, "-m", "uvicorn", "gpuadvisor.asgi:application", "--host", "{address}"]
            line += ["--port", str(port), "--lifespan", "off", "--no-access-log", "--log-level", "warning"]
            machines.append(Machine(number, f"web{number}", "web", line, apart=apart, log=log))
            webs.append((machines[-1].address, port))
        for number, queues in enumerate(("alerts", "ingest,chat", "bulk,celery"), start=2):
            line = [
                *CELERY,
                "worker",
                "-Q",
                queues,
                "--concurrency",
                "2",
                "--hostname",
                f"{queues[:4]}@{number}",
                *QUIET,
            ]
            machines.append(Machine(number, queues, "worker", line, apart=apart, log=log))
        beat = [*CELERY, "beat", "--loglevel", "WARNING", "--schedule", f"{data}/beat", "--pidfile", ""]
        clockwork = Machine(9, "beat", "worker", beat, apart=apart, log=log)
        for machine in (*machines, clockwork):
            machine.start()
        machines.append(clockwork)
        for address, port in webs:
            answers = lambda address=address, port=port: is_up(address, port)  # noqa: E731
            assert processes.wait_until(answers, 90, 0.3), log.read_text()[-3000:]
        visitors = Visitors(webs)
        recorder = threading.Thread(target=chaos._record, args=(keys,))
        recorder.start()
        deeds = []
        for name, number in (
            ("alerts", signal.SIGKILL),
            ("web0", signal.SIGKILL),
            ("bulk,celery", signal.SIGKILL),
            ("web1", signal.SIGKILL),
            ("ingest,chat", signal.SIGKILL),
            ("alerts", signal.SIGTERM),
        ):
            if name == "alerts":  # in the middle of sending
                processes.wait_until(lambda: receiver.under_way > 2, 20)
            else:
                time.sleep(1)
            machine = next(one for one in machines if one.name == name)
            if number == signal.SIGTERM:
                os.kill(machine.child.pid, number)
                machine.child.wait(60)
            else:
                machine.end(number)
            deeds.append(f"{number.name} {name}")
            time.sleep(2)
            machine.start()
            if name.startswith("web"):
                address, port = webs[int(name[-1])]
                processes.wait_until(lambda address=address, port=port: is_up(address, port), 60, 0.3)
        recorder.join()
        chaos._drain()
        visitors.stop()
        result = asdict(chaos._result(receiver, keys, time.monotonic() - began))
        for name in ("kills", "wipes", "restarts"):
            del result[name]
        result |= {"hosts": "namespaces" if apart else "processes", "deeds": deeds, "pages": visitors.got}
        sys.stdout.write(json.dumps(result | {"moved": visitors.moved}) + "\n")
    finally:
        for machine in machines:
            if machine.child is not None:
                machine.end(signal.SIGKILL)
        for child in redis:
            child.terminate()
        servers.stop()
        shutil.rmtree(places.sockets, ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)


def is_up(address, port):
    link = http.client.HTTPConnection(address, port, timeout=5)
    try:
        link.request("GET", "/health/live", headers={"Host": "localhost"})
        return link.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()


if __name__ == "__main__":
    main()
