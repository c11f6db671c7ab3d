"""What the stand-in knows, kept in a file from one start to the next (`--state`)."""

from __future__ import annotations

import pickle
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import events
from .forms import Params

if TYPE_CHECKING:
    from .server import Server

STORE = ("ahead", "objects", "behaviours", "overrides", "hidden", "sequence")
LINKS = ("url", "hosted_invoice_url", "invoice_pdf")


def save(server: Server, file: Path) -> None:
    """Write all of it; the file is whole at any moment."""
    store, deliveries = server.store, server.deliveries
    with store.lock, deliveries.changed:
        kept = {
            "base": store.base,
            "store": {name: getattr(store, name) for name in STORE},
            "keys": server.kept,
            "queue": deliveries.flying + [row[2:] for row in sorted(deliveries.queue, key=lambda row: row[:2])],
            "held": (deliveries.is_holding, deliveries.held),
        }
        half = file.with_name(f"{file.name}.half")
        half.write_bytes(pickle.dumps(kept))
        half.replace(file)


def load(server: Server, file: Path) -> bool:
    """Take up what was kept; False where there is nothing. What cannot be read is put aside, and told."""
    try:
        kept: dict[str, Any] = pickle.loads(file.read_bytes())  # noqa: S301 - we alone write it
        old = kept["base"]
        store, deliveries = server.store, server.deliveries
        with store.lock, deliveries.changed:
            for name in STORE:
                setattr(store, name, kept["store"][name])
            server.kept = kept["keys"]
            deliveries.is_holding, deliveries.held = kept["held"]
            deliveries.queue = [
                (time.monotonic(), number, tried, event, endpoint)
                for number, (tried, event, endpoint) in enumerate(kept["queue"])
            ]
            deliveries.number = len(deliveries.queue)
            _move(server, old)
            deliveries.changed.notify_all()
    except FileNotFoundError:
        return False
    except Exception as error:
        aside = file.with_name(f"{file.name}.unreadable")
        file.replace(aside)
        sys.stderr.write(f"{file} cannot be read ({error}): it is {aside.name} now, and all begins anew.\n")
        return False
    return True


def _move(server: Server, old: str) -> None:
    """The addresses of this start in place of the last one's."""
    store = server.store
    for rows in store.objects.values():
        for row in rows.values():
            for name in LINKS:
                if isinstance(link := row.get(name), str) and link.startswith(f"{old}/"):
                    row[name] = store.base + link.removeprefix(old)
    if not server.deliver_to:
        return
    for row in reversed(store.all("webhook_endpoint")):  # the oldest is that of the first start
        row["url"] = server.deliver_to
        store.hidden[row["id"]] = {"secret": server.secret}
        return
    events.endpoint(store, server.deliver_to, server.secret, ["*"], Params({}))
