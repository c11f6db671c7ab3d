"""The outbox on its way: claim by a lease, commit, send, record (reliability c, promises 1 to 4 and 31).

No transaction is open while a receiver is waited for. A worker that dies only delays: its lease runs out, and the next
one sends again under the same id.
"""

from .working import deliver_due

__all__ = ["deliver_due"]
