"""One id from a request through the messages it sends to the lines that workers log about them."""

from __future__ import annotations

import time
from typing import Any

from celery.signals import before_task_publish, task_postrun, task_prerun

from gpuadvisor.core.logs import request_id

from .recording import header_of
from .waiting import SENT_HEADER

ID_HEADER = "gpa_request"
NONE = "-"


def connect() -> None:
    before_task_publish.connect(_send, dispatch_uid="operations.tracing")
    task_prerun.connect(_take, dispatch_uid="operations.tracing")
    task_postrun.connect(_leave, dispatch_uid="operations.tracing")


def _send(headers: dict[str, Any] | None = None, **kwargs: Any) -> None:
    if headers is not None:
        headers[SENT_HEADER] = round(time.time(), 3)
        if request_id.get() != NONE:
            headers[ID_HEADER] = request_id.get()


def _take(task_id: str, task: Any, **kwargs: Any) -> None:
    """What beat started has no request: the task's own id ties its lines together, and those of what it sends."""
    if getattr(task.request, "is_eager", False):
        return
    request_id.set(str(header_of(task.request, ID_HEADER) or f"task-{task_id}")[:64])


def _leave(task: Any, **kwargs: Any) -> None:
    if not getattr(task.request, "is_eager", False):
        request_id.set(NONE)
