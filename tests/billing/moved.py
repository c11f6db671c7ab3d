"""Both clocks moved together: Stripe's in the stand-in, and ours."""

from datetime import UTC, datetime, timedelta

from billing import events, notices, shrinking
from billing.models import StripeEvent
from gpuadvisor.core import clock
from gpuadvisor.core.models import QueuedMail

# What a site would ask Stripe to tell it, and no more: dj-stripe stores each, which takes its time.
HEARD = (
    *("customer.subscription.", "customer.deleted", "invoice.paid", "invoice.payment_failed"),
    *(
        "invoice.payment_action_required",
        "invoice.marked_uncollectible",
        "invoice.voided",
        "credit_note.",
        "charge.refunded",
    ),
    "charge.dispute.created",
)


class Walk:
    """A host's way through time: events of the stand-in are posted and handled, jobs run, mails are read."""

    def __init__(self, standin, client, monkeypatch):
        self.standin, self.client, self.ahead, self.posted = standin, client, timedelta(), set()
        real = clock.now
        monkeypatch.setattr(clock, "now", lambda: real() + self.ahead)
        monkeypatch.setattr("django.utils.timezone.now", lambda: datetime.now(UTC) + self.ahead)

    def on(self, **time):
        """Time passes; Stripe tells, we hear, and the hourly jobs run."""
        self.standin.advance(days=time.get("days", 0), seconds=time.get("hours", 0) * 3600)
        self.ahead += timedelta(**time)
        self.hear()
        shrinking.settle_due()
        notices.remind()

    def hear(self):
        """Post what is new, as Stripe does, and work it off."""
        for event in self.standin.events():
            if event.id in self.posted or not event.type.startswith(HEARD):
                continue
            self.posted.add(event.id)
            body, header = self.standin.signed(event.id)
            answer = self.client.post(
                "/billing/webhook/", body, "application/json", headers={"Stripe-Signature": header}
            )
            assert answer.status_code == 200, event.type
        StripeEvent.objects.filter(state="due").update(next_at=clock.now() - timedelta(days=400))
        events.handle_due()
        stuck = StripeEvent.objects.filter(state="due").values_list("kind", "last_error")
        assert not list(stuck)

    def mails(self):
        """The subjects since the last look."""
        subjects = list(QueuedMail.objects.order_by("created_at", "pk").values_list("subject", flat=True))
        QueuedMail.objects.all().delete()
        return subjects
