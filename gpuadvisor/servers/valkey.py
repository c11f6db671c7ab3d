"""Two Redis servers (Valkey, or Redis from 6.2) on sockets: `broker` keeps what it is told, `cache` forgets."""

import socket
from pathlib import Path

from gpuadvisor.servers.places import Places

COMMON = [
    "port 0",
    "unixsocketperm 700",
    "daemonize no",
    "databases 64",
    "loglevel notice",
    'save ""',
    "tcp-backlog 128",
]
OWN = {
    # Messages are never evicted: a full broker refuses (reliability c).
    "broker": ["appendonly yes", "appendfsync everysec", "maxmemory 256mb", "maxmemory-policy noeviction"],
    "cache": ["appendonly no", "maxmemory 128mb", "maxmemory-policy allkeys-lru"],
}


def socket_path(places: Places, name: str) -> Path:
    return places.sockets / f"{name}.sock"


def url(places: Places, name: str) -> str:
    """Celery spells the address of a socket in its own way."""
    return f"{'redis+socket' if name == 'broker' else 'unix'}://{socket_path(places, name)}"


def command(places: Places, name: str) -> list[str]:
    return [str(places.redis_server()), str(places.redis / f"{name}.conf")]


def answers(places: Places, name: str) -> bool:
    """Whether the server has loaded its data and answers."""
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(2)
            link.connect(str(socket_path(places, name)))
            link.sendall(b"PING\r\n")
            return link.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def prepare(places: Places, name: str) -> None:
    """Make the server's folder and write its settings."""
    folder = places.redis / name
    for path in (places.redis, folder):
        path.mkdir(exist_ok=True)
        places.account.own(path, 0o700)
    lines = [*COMMON, *OWN[name], f"unixsocket {_quoted(socket_path(places, name))}", f"dir {_quoted(folder)}"]
    file = places.redis / f"{name}.conf"
    file.write_text("# Written anew at each start.\n" + "\n".join(lines) + "\n")
    places.account.own(file, 0o600)


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
