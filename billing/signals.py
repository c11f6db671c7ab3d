"""What other apps may listen to."""

from django.dispatch import Signal

# Sent inside the transaction that changes a plan, the user's row locked: `user`, `before`, `after` (tiers).
plan_changed = Signal()

# Sent inside the transaction in which a grace ends: `user`, `counts` (what was closed, by limit; may be empty).
rows_closed = Signal()
