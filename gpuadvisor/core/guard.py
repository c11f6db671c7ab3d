"""Calls to addresses that users name: public ones only, checked on the address really connected to (reliability d5).

The name is looked up once; if any answer is not public nothing is sent, else that very address is connected to, so a
name that changes its answer between check and use gains nothing. No redirect is followed, no proxy of the environment
used, nothing unpacked; 64 KiB are read, and all is over after 10 seconds. TLS checks the name of the URL.
"""

from __future__ import annotations

import functools
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

import certifi
import httpcore
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from .deadline import DeadlineStream

TOTAL_SECONDS = 10.0
MAX_BYTES = 64 * 1024
MAX_URL = 2_000
PORTS = {80, 443, 8443}
REFUSED = _("Use a public https address.")  # one text for all: what is wrong would tell of networks
NO_ANSWER = _("The receiver could not be reached.")  # one text for closed, open, filtered and refused ports

# What Python 3.11 to 3.14 call global, or may, though it leads inside, elsewhere or to many.
NOT_PUBLIC = [
    ip_network(network)
    for network in (
        *("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
        *("192.175.48.0/24", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4", "::/96", "::ffff:0:0/96", "64:ff9b::/96"),
        *("64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"),
        *("5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
]


class RefusedAddress(ValueError):
    """The URL is none that we call. Its text may be shown."""


class NoAnswer(OSError):
    """The call came to nothing. Its text may be shown and is the same whatever happened."""


@dataclass(frozen=True)
class Answer:
    """What a receiver said. Names of `headers` are in lower case; `body` is cut at 64 KiB."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The beginning of the body, printable, for a log."""
        text = self.body[:2_000].decode("utf-8", "replace")
        return "".join(sign if sign.isprintable() else " " for sign in text).strip()[:500]


def check_url(url: str) -> SplitResult:
    """The parts of a URL that we may call, so far as the URL itself tells.

    Raises: RefusedAddress.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise RefusedAddress(str(REFUSED)) from None
    if is_own_receiver(parts):
        return parts
    host = parts.hostname or ""
    labels = host.split(".")
    fine = (
        len(url) <= MAX_URL
        and url.isascii()
        and re.fullmatch(r"https://[^\s\\]+", url, re.IGNORECASE) is not None
        and all(" " < sign < "\x7f" for sign in url)  # urlsplit drops line breaks and tabs in silence
        and "@" not in parts.netloc
        and not parts.netloc.endswith(":")
        and not parts.fragment
        and (port is None or port in PORTS)
        and len(host) <= 253
        and len(labels) > 1
        and all(re.fullmatch(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", label) for label in labels)
        and labels[-1][0].isalpha()  # no number in any of its spellings, and no last dot
    )
    if not fine:
        raise RefusedAddress(str(REFUSED))
    return parts


def is_own_receiver(parts: SplitResult) -> bool:
    """Whether this is a receiver of a test or bench, named by GUARD_ALLOWED_HOSTS."""
    return bool(settings.GUARD_ALLOWED_HOSTS) and parts.netloc in settings.GUARD_ALLOWED_HOSTS


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address lies in the open internet, and is one machine's."""
    if isinstance(address, IPv6Address) and (address.scope_id or address.ipv4_mapped):
        return False
    return address.is_global and not any(
        address in network for network in NOT_PUBLIC if network.version == address.version
    )


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    seconds: float = TOTAL_SECONDS,
) -> Answer:
    """Call `url` once; any status is an answer, redirects too.

    Units: `seconds` in all, the look-up of the name included.
    Raises: RefusedAddress, NoAnswer.
    """
    parts = check_url(url)
    is_own = is_own_receiver(parts)
    deadline = time.monotonic() + seconds
    pool = httpcore.ConnectionPool(
        ssl_context=tls_context(),
        max_connections=1,
        max_keepalive_connections=0,
        network_backend=_Backend(deadline, is_own=is_own),
    )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    sent = {
        "host": parts.netloc,
        "user-agent": "GPU-Advisor/1.0",
        "accept-encoding": "identity",
        "connection": "close",
        "content-length": str(len(body)),
        **{name.lower(): value for name, value in (headers or {}).items()},
    }
    try:
        with pool:
            answer = pool.handle_request(
                httpcore.Request(
                    method=method,
                    url=httpcore.URL(
                        scheme=parts.scheme.lower().encode(),
                        host=(parts.hostname or "").encode(),
                        port=port,
                        target=path.encode(),
                    ),
                    headers=[(name.encode(), value.encode()) for name, value in sent.items()],
                    content=body,
                )
            )
            read = _read(answer)
            names = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
            return Answer(answer.status, names, read)
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError, ValueError):
        raise NoAnswer(str(NO_ANSWER)) from None


def _read(answer: httpcore.Response) -> bytes:
    read = bytearray()
    for chunk in cast("Iterable[bytes]", answer.stream):
        read += chunk
        if len(read) >= MAX_BYTES:
            break  # the rest stays where it is: the connection is closed
    return bytes(read[:MAX_BYTES])


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Certificates as the web knows them, whatever the environment says; read once."""
    return ssl.create_default_context(cafile=certifi.where())


class _Backend(httpcore.SyncBackend):
    def __init__(self, deadline: float, *, is_own: bool) -> None:
        self._deadline, self._is_own = deadline, is_own

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = [host] if self._is_own else public_addresses(host, port, self._deadline)
        for number, address in enumerate(addresses[:3], start=1):
            left = self._deadline - time.monotonic()
            if left <= 0:
                break
            try:
                # the first ones get half of what is left: an IPv6 address may lead nowhere from here
                patience = left if number == len(addresses[:3]) else left / 2
                stream = super().connect_tcp(address, port, patience, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
            return DeadlineStream(stream, self._deadline)
        raise httpcore.ConnectError("no address answers")


def public_addresses(host: str, port: int, deadline: float) -> list[str]:
    """What `host` resolves to, looked up once.

    Raises: httpcore.ConnectError where there is none, or any of them is not public.
    """
    found = _look_up(host, port, deadline)
    try:
        if found and all(is_public(ip_address(address)) for address in found):
            return found
    except ValueError:
        pass
    raise httpcore.ConnectError("refused")


def _look_up(host: str, port: int, deadline: float) -> list[str]:
    """The addresses of `host`, without waiting past the deadline: the system's resolver knows none."""
    found: list[str] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        found.extend(dict.fromkeys(str(answer[4][0]) for answer in answers))

    thread = threading.Thread(target=ask, name="look-up", daemon=True)
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    return [] if thread.is_alive() else list(found)
