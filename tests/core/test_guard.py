"""Calls to addresses that users name reach nothing but public ones (reliability promises 5 and 6, d5)."""

import gzip
import ipaddress
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gpuadvisor.core import guard

PUBLIC = "93.184.215.14"

# What the URL itself gives away: no name is looked up.
BAD_URLS = {
    "plain http": "http://hooks.example.com/",
    "ftp": "ftp://hooks.example.com/",
    "file": "file:///etc/passwd",
    "gopher": "gopher://hooks.example.com/",
    "dotted address": "https://127.0.0.1/",
    "public address": f"https://{PUBLIC}/",
    "decimal": "https://2130706433/",
    "octal": "https://0177.0.0.1/",
    "octal whole": "https://017700000001/",
    "hexadecimal": "https://0x7f000001/",
    "hexadecimal dotted": "https://0x7f.0.0.1/",
    "short form": "https://127.1/",
    "zero": "https://0/",
    "zeros": "https://0.0.0.0/",
    "ipv6 unspecified": "https://[::]/",
    "ipv6 loopback": "https://[::1]/",
    "ipv6 mapped": "https://[::ffff:127.0.0.1]/",
    "nat64": "https://[64:ff9b::7f00:1]/",
    "6to4": "https://[2002:7f00:1::]/",
    "site-local": "https://[fec0::1]/",
    "link-local": "https://[fe80::1%25lo]/",
    "metadata": "https://169.254.169.254/latest/meta-data/",
    "trailing dot of an address": "https://127.0.0.1./",
    "trailing dot of a name": "https://localhost./",
    "bare name": "https://localhost/",
    "IDN digits": "https://①②⑦.⓪.⓪.①/",
    "IDN dots": "https://127。0。0。1/",
    "IDN name": "https://bücher.example/",
    "userinfo": "https://hooks.example.com@127.0.0.1/",
    "userinfo of a public name": "https://user:secret@hooks.example.com/",
    "backslash": "https://hooks.example.com\\@127.0.0.1/",
    "backslash in the path": "https://hooks.example.com/\\127.0.0.1",
    "fragment": "https://127.0.0.1#@hooks.example.com/",
    "fragment behind": "https://hooks.example.com/#x",
    "no scheme": "//127.0.0.1/",
    "ssh port": "https://hooks.example.com:22/",
    "redis port": "https://hooks.example.com:6379/",
    "no port": "https://hooks.example.com:/",
    "port out of range": "https://hooks.example.com:99999/",
    "line break": "https://hooks.example.com/\r\nHost: inside/",
    "line break in the host": "https://hooks.example\n.com/",
    "tab": "https://hooks.ex\tample.com/",
    "space": "https://hooks.example.com /",
    "null": "https://hooks.example.com/\x00",
    "too long": "https://hooks.example.com/" + "a" * 1_975,
}

# What only the answer of the name server gives away.
BAD_ANSWERS = {
    "loopback": ["127.0.0.1"],
    "private": ["10.0.0.5"],
    "private 172": ["172.16.0.1"],
    "private 192": ["192.168.1.1"],
    "this network": ["0.0.0.0"],  # noqa: S104
    "CGNAT": ["100.64.0.1"],
    "metadata": ["169.254.169.254"],
    "relay 6to4": ["192.88.99.1"],
    "protocol assignments": ["192.0.0.8"],
    "benchmarks": ["198.18.0.1"],
    "multicast": ["224.0.0.1"],
    "broadcast": ["255.255.255.255"],
    "one of two": [PUBLIC, "127.0.0.1"],
    "ipv6 loopback": ["::1"],
    "ipv6 unspecified": ["::"],
    "compatible": ["::7f00:1"],
    "mapped": ["::ffff:10.0.0.5"],
    "mapped public": [f"::ffff:{PUBLIC}"],
    "nat64": ["64:ff9b::a00:5"],
    "local nat64": ["64:ff9b:1::a00:5"],
    "6to4": ["2002:a00:5::1"],
    "teredo": ["2001::1"],
    "site-local": ["fec0::1"],
    "link-local": ["fe80::1%1"],
    "unique local": ["fd00::1"],
    "ipv6 multicast": ["ff02::1"],
    "documentation": ["3fff::1"],
    "none": [],
    "no address": ["elsewhere"],
}


class Receiver:
    """A server of one answer on this machine, and what it was asked."""

    def __init__(self, serve):
        self.asked = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._serve = serve
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                try:
                    self.asked.append(connection.recv(65_536))
                    self._serve(connection)
                except OSError:
                    pass

    def close(self):
        self._socket.close()


@pytest.fixture
def receiver(settings):
    opened = []

    def make(serve):
        made = Receiver(serve)
        opened.append(made)
        settings.GUARD_ALLOWED_HOSTS = [one.host for one in opened]
        return made

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def answers(monkeypatch):
    """A name server of the test's own, and the addresses that were connected to."""
    connected = []

    def give(*found):
        def look_up(host, port, **_kwargs):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

        def connect(self, host, port, *_args):
            connected.append(host)
            raise guard.httpcore.ConnectError("the test connects to nothing")

        monkeypatch.setattr(guard.socket, "getaddrinfo", look_up)
        monkeypatch.setattr(guard.httpcore.SyncBackend, "connect_tcp", connect)
        return connected

    return give


def plain(body, status="200 OK", extra=""):
    return f"HTTP/1.1 {status}\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("url", BAD_URLS.values(), ids=BAD_URLS.keys())
def test_a_url_that_is_none_of_a_public_host_is_refused_with_one_text(url):
    with pytest.raises(guard.RefusedAddress, match=r"^Use a public https address\.$"):
        guard.check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com",
        "https://hooks.example.com:8443/a?b=c",
        "HTTPS://Hooks.Example.com/",
        "https://xn--bcher-kva.example/",
    ],
)
def test_a_url_of_a_public_host_passes(url):
    assert guard.check_url(url).hostname


@pytest.mark.parametrize("found", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
def test_a_name_that_leads_to_no_public_address_is_never_connected_to(found, answers):
    connected = answers(*found)
    with pytest.raises(guard.NoAnswer, match=r"^The receiver could not be reached\.$"):
        guard.request("POST", "https://hooks.example.com/")
    assert connected == []


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_the_address_that_was_checked_is_the_one_connected_to(address, answers):
    connected = answers(address)
    with pytest.raises(guard.NoAnswer):
        guard.request("POST", "https://hooks.example.com/")
    assert connected == [address]


def test_a_name_that_answers_otherwise_the_second_time_is_looked_up_once(answers, monkeypatch):
    connected, asked = answers(), []

    def rebind(host, port, **_kwargs):
        asked.append(host)
        return [(socket.AF_INET, 1, 6, "", (PUBLIC if len(asked) == 1 else "127.0.0.1", port))]

    monkeypatch.setattr(guard.socket, "getaddrinfo", rebind)
    with pytest.raises(guard.NoAnswer):
        guard.request("POST", "https://rebind.example.com/")
    assert (connected, asked) == ([PUBLIC], ["rebind.example.com"])


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_a_redirect_is_an_answer_and_not_followed(status, receiver):
    inside = receiver(lambda c: c.sendall(plain(b"inside")))
    outside = receiver(lambda c: c.sendall(plain(b"", status, f"Location: http://{inside.host}/\r\n")))
    assert guard.request("POST", f"http://{outside.host}/", body=b"{}").status == int(status[:3])
    assert inside.asked == []


def test_a_proxy_of_the_environment_is_not_used(receiver, monkeypatch):
    proxy, target = receiver(lambda c: c.sendall(plain(b"proxy"))), receiver(lambda c: c.sendall(plain(b"target")))
    for name in ("http_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{proxy.host}")
    assert guard.request("GET", f"http://{target.host}/").text == "target"


def test_a_slow_receiver_is_left_at_the_end_of_the_time(receiver):
    def drip(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(50):
            connection.sendall(b".")
            time.sleep(0.05)

    target = receiver(drip)
    began = time.monotonic()
    with pytest.raises(guard.NoAnswer):
        guard.request("GET", f"http://{target.host}/", seconds=0.4)
    assert time.monotonic() - began < 0.8


def test_a_slow_name_server_is_left_at_the_end_of_the_time(monkeypatch):
    monkeypatch.setattr(guard.socket, "getaddrinfo", lambda *_args, **_kwargs: time.sleep(2) or [])
    began = time.monotonic()
    with pytest.raises(guard.NoAnswer):
        guard.request("GET", "https://slow.example.com/", seconds=0.2)
    assert time.monotonic() - began < 0.6


def test_no_more_than_64_kib_are_read_and_nothing_is_unpacked(receiver):
    bomb = gzip.compress(b"0" * 5_000_000)

    def endless(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 300000000\r\n\r\n")
        for _ in range(100):
            connection.sendall(b"a" * 65_536)

    large = receiver(endless)
    packed = receiver(lambda c: c.sendall(plain(bomb, extra="Content-Encoding: gzip\r\n")))
    assert len(guard.request("GET", f"http://{large.host}/").body) == guard.MAX_BYTES
    assert guard.request("GET", f"http://{packed.host}/").body == bomb
    assert b"accept-encoding: identity" in packed.asked[0].lower()


def test_the_certificate_is_that_of_the_name_in_the_url(receiver, monkeypatch):
    seen = []
    monkeypatch.setattr(guard, "public_addresses", lambda *_args: [PUBLIC])
    target = receiver(lambda c: None)
    port = int(target.host.partition(":")[2])

    def connect(self, host, _port, *_args):
        return guard.httpcore._backends.sync.SyncStream(socket.create_connection(("127.0.0.1", port), 2))

    def start_tls(self, context, server_hostname=None, timeout=None):
        seen.append((server_hostname, context.verify_mode, context.check_hostname))
        raise guard.httpcore.ConnectError("enough")

    monkeypatch.setattr(guard.httpcore.SyncBackend, "connect_tcp", connect)
    monkeypatch.setattr(guard.httpcore._backends.sync.SyncStream, "start_tls", start_tls)
    with pytest.raises(guard.NoAnswer):
        guard.request("GET", "https://hooks.example.com/")
    assert seen == [("hooks.example.com", ssl.CERT_REQUIRED, True)]


def test_a_closed_port_and_a_refused_address_sound_the_same(receiver, settings, answers):
    closed = receiver(lambda c: None)
    closed.close()
    settings.GUARD_ALLOWED_HOSTS = [closed.host]
    with pytest.raises(guard.NoAnswer) as first:
        guard.request("GET", f"http://{closed.host}/")
    answers("127.0.0.1")
    with pytest.raises(guard.NoAnswer) as second:
        guard.request("GET", "https://inside.example.com/")
    assert str(first.value) == str(second.value)


@pytest.mark.parametrize("address", ["8.8.8.8", "2a00:1450:4001:82a::200e", "1.1.1.1", "2001:4860:4860::8888"])
def test_public_addresses_are_called_public(address):
    assert guard.is_public(ipaddress.ip_address(address))


@pytest.mark.slow
def test_nothing_inside_is_reached_in_a_network_of_its_own():
    """d5 with real names, addresses and TLS: `make guard`."""
    if not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("this machine has no unshare or ip")
    wall = ["unshare", "--net", "--mount", "--map-root-user"] if os.geteuid() else ["unshare", "--net", "--mount"]
    if subprocess.run([*wall, "ip", "link", "set", "lo", "up"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no network namespace")
    root = Path(__file__).parents[2]
    told = subprocess.run(
        [*wall, sys.executable, "-m", "tests.core.guard_stage"],
        cwd=root, env=os.environ | {"GUARD_STAGE": "1"}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout + told.stderr
    assert "reached nothing inside" in told.stdout
