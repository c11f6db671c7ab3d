"""A stand-in for the OpenAI API: `python -m gpuadvisor.standins.openai --port 8090`. docs/advisor.md describes it.

GET /v1/models and POST /v1/chat/completions answer as OpenAI does, streamed or whole. What comes next is scripted
(POST /_script: steps of text, calls and faults); with no step left it looks figures up and repeats them (`talking`).
GET /_journal tells what was asked and how each answer ended, POST /_reset forgets script and journal.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import struct
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from . import talking
from .requests import Refusal, check_request

LARGEST_BODY = 4 * 1024 * 1024
PING_SECONDS = 0.02  # how soon a client that left is noticed
HANG_SECONDS = 300
FAULTS = {
    "cut_clean": "ends the body in the middle, as if it were whole",
    "cut": "closes the connection in the middle",
    "reset": "resets the connection in the middle",
    "stall_headers": "falls silent after the headers",
    "stall": "falls silent in the middle",
    "hang": "takes the request and says nothing",
    "closed": "takes the request and closes the connection",
    "bad_json": "sends a broken chunk in the middle",
    "error_event": "sends an error in the middle of the stream",
    "html": "answers 200 with a page",
    "half_call": "ends in the middle of a call's arguments, as if it were whole",
    "no_choices": "sends chunks without choices",
    "drip": "sends a word every `delay` seconds without end",
    "refusal": "declines in the way that models do",
}


@dataclass
class State:
    """What all connections share."""

    model: str
    key: str = ""
    first_delay: float = 0.0
    delay: float = 0.0
    steps: deque[dict[str, Any]] = field(default_factory=deque)
    journal: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_step(self, body: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            step = self.steps.popleft() if self.steps else None
        return step if step is not None else talking.step_for(body)


class ClientLeft(Exception):
    """The other side closed the connection."""


class Broken(Exception):
    """The script ends this connection here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server
    record: dict[str, Any]

    def do_GET(self) -> None:
        state = self.server.state
        if self.path == "/v1/models":
            model = {"id": state.model, "object": "model", "created": 0, "owned_by": "stand-in"}
            self._send_json(200, {"object": "list", "data": [model]})
        elif self.path == "/_journal":
            with state.lock:
                journal = json.loads(json.dumps(state.journal))
            self._send_json(200, {"requests": journal, "steps_left": len(state.steps)})
        else:
            self._send_error(404, f"There is nothing at {self.path}.", code="unknown_url")

    def do_POST(self) -> None:
        state = self.server.state
        body = self._body()
        if body is None:
            return
        if self.path == "/v1/chat/completions":
            self._complete(body)
        elif self.path == "/_script":
            with state.lock:
                state.steps = deque(body.get("steps", []))
                state.first_delay = float(body.get("first_delay", state.first_delay))
                state.delay = float(body.get("delay", state.delay))
            self._send_json(200, {"steps": len(state.steps)})
        elif self.path == "/_reset":
            with state.lock:
                state.steps.clear()
                state.journal.clear()
                state.first_delay, state.delay = self.server.delays
            self._send_json(200, {})
        else:
            self._send_error(404, f"There is nothing at {self.path}.", code="unknown_url")

    # -- One answer ----------------------------------------------------------------------------------------------------
    def _complete(self, body: dict[str, Any]) -> None:
        state = self.server.state
        self.record = {"body": body, "chunks": 0, "ended": "running", "has_key": bool(self.headers["Authorization"])}
        with state.lock:
            state.journal.append(self.record)
        try:
            if state.key and self.headers["Authorization"] != f"Bearer {state.key}":
                raise Refusal("Incorrect API key provided.", status=401, code="invalid_api_key")
            check_request(body)
            self._play(state.next_step(body), body)
            self._note("whole")
        except Refusal as refusal:
            self._note("refused")
            self._send_error(refusal.status, str(refusal), code=refusal.code, param=refusal.param)
        except (ClientLeft, ConnectionError, TimeoutError):
            self.close_connection = True
            self._note("left")
        except Broken:
            self.close_connection = True
            self._note("fault")

    def _note(self, ended: str) -> None:
        with self.server.state.lock:
            self.record["ended"] = ended

    def _play(self, step: dict[str, Any], body: dict[str, Any]) -> None:
        """One step of the script, or of the default, as the answer to one request."""
        fault = step.get("fault", "")
        if fault and fault not in FAULTS:
            raise Refusal(f"The script names no fault that there is: {fault}", status=500)
        self._wait(step.get("first_delay", self.server.state.first_delay))
        if "status" in step:
            self._play_error(step)
        elif fault == "hang":
            self._wait(HANG_SECONDS)
            raise Broken
        elif fault == "closed":
            raise Broken
        elif fault == "html":
            self._send(200, b"<!doctype html><title>Gateway</title><p>It works.", "text/html")
        elif body.get("stream"):
            self._play_stream(step, body, fault)
        else:
            self._play_whole(step, body, fault)

    def _play_error(self, step: dict[str, Any]) -> None:
        headers = {"Retry-After": str(step["retry_after"])} if "retry_after" in step else {}
        self._send_error(
            int(step["status"]),
            step.get("message", "The script says so."),
            code=step.get("code"),
            param=step.get("param"),
            headers=headers,
        )

    def _play_whole(self, step: dict[str, Any], body: dict[str, Any], fault: str) -> None:
        message = {"role": "assistant", "content": step.get("text"), "refusal": None}
        if step.get("calls"):
            message["tool_calls"] = talking.tool_calls(step["calls"])
        choices = [{"index": 0, "message": message, "finish_reason": talking.finish_reason(step), "logprobs": None}]
        answer = talking.envelope("chat.completion", body) | {
            "choices": [] if fault == "no_choices" else choices,
            "usage": step.get("usage") or talking.usage(body, step),
        }
        if fault == "bad_json":
            self._send(200, json.dumps(answer).encode()[:-20], "application/json")
        else:
            self._send_json(200, answer)

    def _play_stream(self, step: dict[str, Any], body: dict[str, Any], fault: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        delay = float(step.get("delay", self.server.state.delay))
        if fault == "stall_headers":
            self._wait(HANG_SECONDS)
            raise Broken
        if fault == "drip":
            while True:
                self._send_event(talking.chunk(body, {"content": "and "}))
                self._wait(delay or 0.5)
        deltas = talking.deltas(step, fault)
        middle = int(step.get("after", len(deltas) - 1 if fault == "half_call" else max(1, len(deltas) // 2)))
        for number, delta in enumerate(deltas):
            if number == middle and fault:
                self._break(fault)
                if fault in ("cut_clean", "half_call"):
                    self._send_chunk(b"")
                    return
            chunk = talking.chunk(body, delta)
            self._send_event(chunk | {"choices": []} if fault == "no_choices" else chunk)
            self._wait(delay)
        if fault != "no_choices":
            self._send_event(talking.chunk(body, {}, talking.finish_reason(step)))
        wants_usage = (body.get("stream_options") or {}).get("include_usage")
        if wants_usage and step.get("usage", True):
            counted = step.get("usage") if isinstance(step.get("usage"), dict) else talking.usage(body, step)
            self._send_event(talking.chunk(body, {}) | {"choices": [], "usage": counted})
        self._send_chunk(b"data: [DONE]\n\n")
        self._send_chunk(b"")

    def _break(self, fault: str) -> None:
        """Do in the middle of a stream what the fault says."""
        if fault == "stall":
            self._wait(HANG_SECONDS)
            raise Broken
        if fault == "cut":
            raise Broken
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            raise Broken
        if fault == "bad_json":
            self._send_chunk(b'data: {"id": "chatcmpl-standin", "choices": [{"del\n\n')
        if fault == "error_event":
            error = {"message": "The server had an error.", "type": "server_error", "param": None, "code": None}
            self._send_event({"error": error})

    # -- Bytes ---------------------------------------------------------------------------------------------------------
    def _body(self) -> dict[str, Any] | None:
        try:
            length = int(self.headers["Content-Length"] or 0)
            body = json.loads(self.rfile.read(length) or b"{}") if length <= LARGEST_BODY else None
        except ValueError:
            body = None
        if isinstance(body, dict):
            return body
        self.close_connection = True
        self._send_error(400, "The body is no JSON object, or it is too large.")
        return None

    def _wait(self, seconds: float) -> None:
        """Do nothing for a while, unless the client leaves.

        Raises: ClientLeft.
        """
        until = time.monotonic() + float(seconds)
        while (left := until - time.monotonic()) > 0:
            readable, _, _ = select.select([self.connection], [], [], min(left, PING_SECONDS))
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                raise ClientLeft
            if self.server.is_ending:
                raise Broken
            if readable:
                time.sleep(min(left, PING_SECONDS))  # it speaks again before it was answered: none of ours does

    def _send_event(self, data: dict[str, Any]) -> None:
        self._send_chunk(b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n")
        with self.server.state.lock:
            self.record["chunks"] += 1

    def _send_chunk(self, data: bytes) -> None:
        self.wfile.write(b"%X\r\n%b\r\n" % (len(data), data))

    def _send_json(self, status: int, data: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(data, ensure_ascii=False).encode(), "application/json", headers)

    def _send_error(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        kind = code if code == "insufficient_quota" else "invalid_request_error"
        error = {"message": message, "type": kind, "param": param, "code": code}
        self._send_json(status, {"error": error}, headers)

    def _send(self, status: int, data: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the journal tells more."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    is_ending = False

    def __init__(self, address: tuple[str, int], state: State) -> None:
        super().__init__(address, Handler)
        self.state, self.delays = state, (state.first_delay, state.delay)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m gpuadvisor.standins.openai", description=__doc__)
    parser.add_argument("--port", type=int, default=8090, help="default 8090; 0: any that is free")
    parser.add_argument("--script", type=Path, help="JSON file as POST /_script takes it")
    parser.add_argument("--model", default="gpt-5-mini", help="the name that /v1/models tells")
    parser.add_argument("--key", default="", help="the only key that is let in; default: any, or none")
    parser.add_argument("--first-delay", type=float, default=0.4, help="seconds before the first word")
    parser.add_argument("--delay", type=float, default=0.03, help="seconds between words")
    options = parser.parse_args(arguments)
    state = State(options.model, options.key, options.first_delay, options.delay)
    if options.script:
        script = json.loads(options.script.read_text(encoding="utf-8"))
        state.steps = deque(script.get("steps", []))
    server = Server(("127.0.0.1", options.port), state)
    sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}/v1\n")
    sys.stdout.flush()
    try:
        server.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        pass
    finally:
        server.is_ending = True
        server.server_close()


if __name__ == "__main__":
    main()
