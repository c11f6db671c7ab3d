"""What the OpenAI API refuses of a request, so that a mistake of ours is found here and not there."""

from __future__ import annotations

import re
from typing import Any

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
ROLES = {"system", "developer", "user", "assistant", "tool"}


class Refusal(Exception):
    """The request is answered with an error."""

    def __init__(self, message: str, *, status: int = 400, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param


def check_request(body: dict[str, Any]) -> None:
    """Raises: Refusal, in words like OpenAI's, where the request is none that it takes."""
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise Refusal("You must provide a model parameter.", param="model")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refusal("Invalid 'messages': expected an array with at least one message.", param="messages")
    if "max_tokens" in body and "max_completion_tokens" in body:
        raise Refusal("Set only one of 'max_tokens' and 'max_completion_tokens'.", param="max_tokens")
    _check_messages(messages)
    for tool in body.get("tools") or ():
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or tool.get("type") != "function":
            raise Refusal("Invalid 'tools': expected functions.", param="tools")
        if not NAME.fullmatch(str(function.get("name", ""))):
            raise Refusal(f"Invalid 'tools': the name {function.get('name')!r} is none.", param="tools")
        parameters = function.get("parameters", {"type": "object"})
        if not isinstance(parameters, dict) or parameters.get("type") != "object":
            raise Refusal(f"Invalid schema for function '{function['name']}'.", param="tools")


def _check_messages(messages: list[Any]) -> None:
    """Each call of a tool is answered before anything else is said."""
    waiting: set[str] = set()
    for number, message in enumerate(messages):
        where = f"messages.[{number}]"
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise Refusal(f"Invalid role in {where}.", param=f"{where}.role")
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waiting:
                raise Refusal(
                    "Messages with role 'tool' must be a response to a preceding message with 'tool_calls'.",
                    param=f"{where}.role",
                )
            waiting.discard(message["tool_call_id"])
        elif waiting:
            raise Refusal(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                f"'tool_call_id'. These had no response: {', '.join(sorted(waiting))}",
                param=where,
            )
        if message["role"] == "assistant" and message.get("tool_calls"):
            waiting = {call["id"] for call in message["tool_calls"]}
        elif not isinstance(message.get("content"), str | list):
            raise Refusal(f"Invalid value for 'content' in {where}: expected a string.", param=f"{where}.content")
    if waiting:
        raise Refusal(f"These calls had no response: {', '.join(sorted(waiting))}", param="messages")
