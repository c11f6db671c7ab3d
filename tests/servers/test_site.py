"""`make run`: what it refuses, and that nothing outlives its supervisor."""

import configparser
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from gpuadvisor.servers import keeper, places, processes, site
from gpuadvisor.servers.locks import Lock
from tests.servers.conftest import CHECKOUT, gone, processes_of


def test_a_taken_port_is_refused_in_one_sentence(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        output, code = folder.run(PORT=str(port))
    assert code == 1
    assert output.startswith(f"Port {port} is taken by another program")
    assert "\n" not in output


@pytest.mark.parametrize("port", ["0", "65536", "http", "８０"])
def test_a_port_that_is_none_is_refused_in_one_sentence(folder, port):
    assert folder.run(PORT=port) == (f"PORT is '{port}': it must be a number from 1 to 65535.", 1)


def test_a_second_site_on_the_same_data_is_refused_in_one_sentence(folder):
    (folder.path / "run.lock").touch()
    running = Lock(folder.path / "run.lock")
    running.take()
    output, code = folder.run(PORT="8190")
    running.close()
    assert (code, output.startswith("This site runs already")) == (1, True)


def test_without_a_fitting_python_make_says_one_sentence(folder):
    shutil.copy(CHECKOUT / "Makefile", folder.path)
    for name in ("requirements.txt", "requirements-dev.txt"):
        (folder.path / name).touch()
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # this may run under make
    command = ["make", "run", "PYTHONS=false"]
    made = subprocess.run(command, cwd=folder.path, env=env, capture_output=True, text=True)
    assert made.returncode != 0
    assert made.stdout.startswith("GPU Advisor needs Python 3.11 to 3.14")
    assert "Traceback" not in made.stdout + made.stderr


def _servers_alone(found):
    """The supervisor's file as `make run` writes it, without the programs that need Django."""
    config = configparser.ConfigParser(interpolation=None)
    config.read_string(site.supervisor_config(found, list(keeper.SERVERS), 8190))
    for name in ("web", "worker", "chat", "beat", "ready"):
        config.remove_section(f"program:{name}")
    with (found.data / "supervisord.conf").open("w") as file:
        config.write(file)
    return found.data / "supervisord.conf"


def test_answers_have_a_worker_of_their_own_on_threads(folder):
    """Promise 24: a queue of answers that wait for a language model holds up nothing else."""
    found = places.settle(folder.path, by_hand=True)
    config = configparser.ConfigParser(interpolation=None)
    config.read_string(site.supervisor_config(found, [], 8190))
    queues = {name: config[f"program:{name}"]["command"].split("-Q ")[1].split()[0] for name in ("worker", "chat")}
    assert queues == {"worker": "alerts,ingest,bulk,celery", "chat": "chat"}
    assert "-P threads" in config["program:chat"]["command"]


def test_payments_are_rehearsed_only_where_that_is_asked_for(folder, monkeypatch):
    found = places.settle(folder.path, by_hand=True)
    for named, is_there in (("", False), ("standin", True)):
        monkeypatch.setenv("STRIPE", named)
        assert ("[program:stripe]" in site.supervisor_config(found, [], 8190)) is is_there
    assert "--port 8281 --deliver-to http://127.0.0.1:8190/billing/webhook/" in site.supervisor_config(found, [], 8190)


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({"STRIPE": "live"}, "STRIPE is 'live'"),
        (
            {"STRIPE": "standin", "STRIPE_KEY": "sk_live_" + "a" * 24},
            "STRIPE=standin rehearses payments, and STRIPE_KEY",
        ),
    ],
)
def test_a_rehearsal_beside_another_stripe_is_refused_in_one_sentence(folder, env, sentence):
    output, code = folder.run(PORT="8190", **env)
    assert (code, output.startswith(sentence), "\n" in output) == (1, True, False)


@pytest.fixture
def supervised(folder):
    """The three servers under the supervisor, as `make run` starts them."""
    found = places.settle(folder.path, by_hand=True)
    for name in keeper.SERVERS:
        keeper.prepare(found, name)
    command = [sys.executable, "-m", "gpuadvisor.servers.supervise", str(_servers_alone(found))]
    supervisor = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for name in keeper.SERVERS:
        assert processes.wait_until(lambda name=name: keeper.answers(found, name), 20)
    yield found, supervisor
    supervisor.kill()
    supervisor.communicate()


@pytest.mark.slow
def test_kill_9_of_the_supervisor_leaves_no_process(supervised):
    found, supervisor = supervised
    supervisor.kill()
    supervisor.wait()
    assert gone(str(found.data), 5)
    assert not (found.pg / "postmaster.pid").exists()  # it ended cleanly


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=["ctrl-c", "terminal closed"])
def test_the_end_stops_every_server_and_says_so(supervised, number):
    found, supervisor = supervised
    supervisor.send_signal(number)
    output = supervisor.communicate(timeout=20)[0]
    assert (supervisor.returncode, output.split("\n")[-2]) == (0, "Stopped.")
    assert "Traceback" not in output
    assert gone(str(found.data), 5)


@pytest.mark.slow
def test_a_killed_server_comes_back(supervised):
    found, _supervisor = supervised
    time.sleep(2.2)  # one that ends within two seconds waits longer
    [cache] = processes_of(str(found.sockets / "cache.sock"))
    os.kill(cache, signal.SIGKILL)
    assert processes.wait_until(lambda: processes_of(str(found.sockets / "cache.sock")) not in ([], [cache]), 10)


def test_where_setpriv_is_missing_our_own_tie_ends_the_child(folder, monkeypatch):
    monkeypatch.setattr(processes, "setpriv", lambda: None)
    mark = f"60.{os.getpid()}"
    tied = processes.tied(
        [shutil.which("sleep"), mark], dies_by="KILL", account=places.server_account(folder.path / "pg")
    )
    between = f"import subprocess, time; subprocess.Popen({tied!r}); print('up', flush=True); time.sleep(60)"
    parent = folder.python("-c", between)
    parent.stdout.readline()
    assert processes.wait_until(lambda: len(processes_of(f"sleep {mark}")) >= 1, 5)
    parent.kill()
    parent.communicate()
    assert gone(f"sleep {mark}", 5)
