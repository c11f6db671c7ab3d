"""What must happen between a restore and the first worker, else a mail of last week leaves again (fault e39)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

log = logging.getLogger(__name__)

Hook = Callable[[datetime], str]  # the moment to which the database was brought -> a sentence that says what was done
_hooks: dict[str, Hook] = {}


@dataclass(frozen=True)
class Done:
    name: str
    sentence: str
    is_ok: bool


def register(name: str, function: Hook) -> None:
    """Call `function(restored_to)` after each restore, in the order of registration; call this in an app's `ready`.

    It runs on the restored database while no worker and no web process does, may run again, and says in one sentence
    what it did. What it raises is told to the operator, and the restore counts as unfinished.
    """
    _hooks[name] = function


def run(restored_to: datetime) -> list[Done]:
    """Run every hook, the later ones too after one that failed."""
    done = []
    for name, function in _hooks.items():
        try:
            done.append(Done(name, function(restored_to), is_ok=True))
        except Exception as error:  # whatever it meets, the others must still run
            log.exception("after the restore: %s", name)
            done.append(Done(name, f"failed: {type(error).__name__}: {error}", is_ok=False))
    return done
