"""The far side of the internet: a real server on a socket that answers as badly as a test wants."""

from __future__ import annotations

import socketserver
import threading
from contextlib import contextmanager, suppress


def answer(body=b"", *, status="200 OK", headers=(), length=None):
    """A whole answer; `length` is what it claims where that is not the truth."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body) if length is None else length}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


@contextmanager
def far_side():
    """`start(handler)` is the address of a server that lets `handler(request, socket)` write what it likes."""
    servers = []

    def start(handler, path="/machines"):
        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                head = b""
                while b"\r\n\r\n" not in head:
                    part = self.request.recv(4096)
                    if not part:
                        return
                    head += part
                with suppress(OSError):  # the client has had enough
                    handler(head.decode(), self.request)

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}{path}"

    try:
        yield start
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
