"""What Stripe answers when it says no."""

from __future__ import annotations

from typing import Any


class StripeError(Exception):
    """An error in Stripe's shape.

    `kept` is an error that took effect (a payment was tried): an idempotency key keeps it.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kept = status == 402
        self.error = {"type": kind, "message": message}
        optional = {"code": code, "param": param, **more}
        self.error |= {name: value for name, value in optional.items() if value is not None}
        if code:
            self.error["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"

    @property
    def body(self) -> dict[str, Any]:
        return {"error": self.error}


def missing(kind: str, key: str, param: str = "id") -> StripeError:
    """There is no such object: 404 where the address names it, 400 where a parameter does."""
    status = 404 if param == "id" else 400
    return StripeError(f"No such {kind}: '{key}'", status=status, code="resource_missing", param=param)


def required(param: str) -> StripeError:
    return StripeError(f"Missing required param: {param}.", code="parameter_missing", param=param)


def invalid(param: str, message: str) -> StripeError:
    return StripeError(message, code="parameter_invalid", param=param)


def declined(intent: dict[str, Any] | None = None) -> StripeError:
    return StripeError(
        "Your card was declined.",
        status=402,
        kind="card_error",
        code="card_declined",
        decline_code="generic_decline",
        payment_intent=intent,
    )


def asked(intent: dict[str, Any] | None = None) -> StripeError:
    return StripeError(
        "This payment requires additional user action before it can be completed successfully.",
        status=402,
        kind="card_error",
        code="subscription_payment_intent_requires_action",
        payment_intent=intent,
    )
