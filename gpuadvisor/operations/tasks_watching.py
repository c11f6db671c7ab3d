"""The watch over the site: sees troubles, and tells operators."""

from __future__ import annotations

from celery import shared_task

from . import incidents


@shared_task
def watch() -> int:
    """Look at everything once; how many troubles are open."""
    return incidents.look()
