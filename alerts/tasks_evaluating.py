"""Doorways for Celery to the evaluation: after each merge and refresh, and by beat for what a lost nudge left."""

from __future__ import annotations

from celery import shared_task

from . import evaluating


@shared_task
def look_at_shares() -> int:
    """Utilization alerts whose GPUs have new figures; the number of alerts looked at (promise 3)."""
    return evaluating.evaluate_shares()


@shared_task
def look_at_prices() -> int:
    """Price alerts whose series have a new refresh; the number of alerts looked at (promise 3)."""
    return evaluating.evaluate_prices()


@shared_task
def look_around() -> int:
    """All of them, and what is due again; the number of alerts looked at."""
    looked = evaluating.evaluate_shares() + evaluating.evaluate_prices() + evaluating.evaluate_suggestions()
    evaluating.note_acts()
    evaluating.tidy()
    evaluating.remind()
    return looked
