"""What a host may do, by plan, what Stripe told of it, and how plans changed.

Every user has a subscription from sign-up on. Stripe's ids are text: nothing here refers to dj-stripe's tables.
"""

from .drift import Drift, Reconciliation
from .events import PlanNotice, StripeEvent
from .invoices import Invoice
from .subscriptions import Grant, PlanChange, Subscription
from .visits import Visit

__all__ = [
    "Drift",
    "Grant",
    "Invoice",
    "PlanChange",
    "PlanNotice",
    "Reconciliation",
    "StripeEvent",
    "Subscription",
    "Visit",
]
