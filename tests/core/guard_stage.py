"""The stage of `make guard`: real names, addresses and TLS in a network namespace of its own (reliability d5).

Every address of the namespace leads here, so a call that gets through is seen. Run by test_guard.py, never by hand: it
would change the machine's own network.
"""

import os
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from itertools import count
from pathlib import Path

PUBLIC, PUBLIC6 = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
ADDRESSES = [
    *(f"{address}/32" for address in ("10.0.0.5", "100.64.0.1", "169.254.169.254", "172.16.0.1", "192.168.1.1")),
    *(f"{address}/32" for address in ("192.88.99.1", "192.0.0.8", "198.18.0.1", PUBLIC)),
    *(f"{address}/128" for address in ("64:ff9b::a00:5", "64:ff9b::7f00:1", "2002:a00:5::1", "2002:7f00:1::")),
    *(f"{address}/128" for address in ("fec0::1", "fd00::1", "2001::1", "64:ff9b:1::a00:5", PUBLIC6)),
]
PORTS = {80: "plain", 443: "tls", 8443: "tls", 22: "plain", 6379: "plain"}
GOOD = "hooks.example.com"


def lay_out(folder):
    """Addresses, a resolver and a certificate of our own; seen by this namespace alone."""
    run = lambda *line: subprocess.run(line, check=True, capture_output=True)  # noqa: E731
    run("ip", "link", "set", "lo", "up")
    for address in ADDRESSES:
        run("ip", "address", "add", address, "dev", "lo", *(["nodad"] if ":" in address else []))
    for name, text in {
        "resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
        "nsswitch.conf": "hosts: files dns\n",
        "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    }.items():
        (folder / name).write_text(text)
        if Path("/etc", name).exists():
            run("mount", "--bind", str(folder / name), f"/etc/{name}")
    run(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
        "-subj", f"/CN={GOOD}", "-addext", f"subjectAltName=DNS:{GOOD},DNS:rebind.example.com,DNS:redirect.example.com",
        "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"),
    )  # fmt: skip


class Names:
    """A name server: what each name leads to, and the one that changes its answer."""

    def __init__(self, names):
        self.names = names
        self.begin_anew()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def begin_anew(self):
        """The next answer for the name that changes is its public one."""
        self._turn = count()

    def _serve(self):
        while True:
            question, sender = self._socket.recvfrom(512)
            labels, at = [], 12
            while length := question[at]:
                labels.append(question[at + 1 : at + 1 + length].decode("latin-1"))
                at += length + 1
            (kind,) = struct.unpack("!H", question[at + 1 : at + 3])
            name = ".".join(labels).lower()
            wanted = {1: socket.AF_INET, 28: socket.AF_INET6}.get(kind)
            found = self.names.get(name, [])
            if name == "rebind.example.com" and wanted == socket.AF_INET:
                found = [PUBLIC if next(self._turn) == 0 else "127.0.0.1"]
            records = [packed for address in found if (packed := self._pack(address, wanted))]
            head = question[:2] + struct.pack("!HHHHH", 0x8180, 1, len(records), 0, 0)
            body = question[12 : at + 5]
            for packed in records:
                body += struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(packed)) + packed
            self._socket.sendto(head + body, sender)

    @staticmethod
    def _pack(address, family):
        is_six = ":" in address
        if family is None or is_six != (family == socket.AF_INET6):
            return b""
        return socket.inet_pton(family, address)


class Ears:
    """Listens at every address on a few ports; keeps which address each connection was for."""

    def __init__(self, folder):
        self.heard = []
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        for port, kind in PORTS.items():
            listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
            threading.Thread(target=self._serve, args=(listener, kind), daemon=True).start()

    def _serve(self, listener, kind):
        while True:
            connection, _ = listener.accept()
            address = connection.getsockname()[0].removeprefix("::ffff:")
            self.heard.append((address, listener.getsockname()[1]))
            try:
                connection.settimeout(3)
                if kind == "tls":
                    connection = self._tls.wrap_socket(connection, server_side=True)
                asked = connection.recv(65_536)
                status = b"302 Found\r\nLocation: http://127.0.0.1/" if b"redirect." in asked else b"200 OK"
                connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            except OSError:
                pass
            finally:
                connection.close()


def main():
    if os.environ.get("GUARD_STAGE") != "1":
        sys.exit("Run this by `make guard`.")
    import django

    django.setup()

    from gpuadvisor.core import guard
    from tests.core.test_guard import BAD_ANSWERS, BAD_URLS

    folder = Path(tempfile.mkdtemp(prefix="gpa-guard-"))
    lay_out(folder)
    cases = {f"case{n}.example.com": found for n, found in enumerate(BAD_ANSWERS.values())}
    cases = {name: [a.partition("%")[0] for a in found if a != "elsewhere"] for name, found in cases.items()}
    names = Names(cases | {GOOD: [PUBLIC], "six.example.com": [PUBLIC6], "redirect.example.com": [PUBLIC]})
    ears = Ears(folder)
    context = ssl.create_default_context(cafile=folder / "cert.pem")
    guard.tls_context = lambda: context
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        os.environ[name] = "http://127.0.0.1:80"

    # the stage itself works: inside is open to whoever goes there
    with socket.create_connection(("169.254.169.254", 80), 2):
        pass
    time.sleep(0.1)
    assert ears.heard == [("169.254.169.254", 80)], ears.heard
    ears.heard.clear()

    passed = []
    for url in [*BAD_URLS.values(), *(f"https://{name}{port}/" for name in cases for port in ("", ":80", ":8443"))]:
        try:
            guard.request("POST", url, body=b"{}", seconds=3)
        except (guard.RefusedAddress, guard.NoAnswer):
            continue
        passed.append(url)
    time.sleep(0.2)
    assert not passed, passed
    assert not ears.heard, ears.heard

    def reached(url):
        """What a public address answers; asked again where a busy machine was too slow."""
        for _ in range(4):
            names.begin_anew()
            try:
                return guard.request("POST", url, body=b"{}")
            except guard.NoAnswer:
                time.sleep(1)
        raise AssertionError(f"{url} was never reached")

    assert reached(f"https://{GOOD}/").text == "ok"
    assert reached("https://rebind.example.com/").status == 200
    assert reached("https://redirect.example.com/").status == 302
    try:
        guard.request("POST", "https://six.example.com/", seconds=3)  # its certificate is another name's
    except guard.NoAnswer:
        pass
    else:
        raise AssertionError("a certificate of another name passed")
    time.sleep(0.2)
    inside = [one for one in ears.heard if one[0] not in (PUBLIC, PUBLIC6)]
    assert not inside, inside
    sys.stdout.write(
        f"{len(BAD_URLS) + len(cases)} cases reached nothing inside; {len(ears.heard)} calls of controls\n"
    )


if __name__ == "__main__":
    main()
