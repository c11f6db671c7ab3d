"""A small shop in the stand-in: plans to sell and customers who buy."""

import stripe


def sell(name="Professional", month=2900, year=29000):
    """A product with its two prices: (product, monthly, yearly)."""
    key = name.lower()
    product = stripe.Product.create(name=name, metadata={"tier": key})
    prices = [
        stripe.Price.create(
            product=product.id,
            currency="usd",
            unit_amount=amount,
            recurring={"interval": interval},
            lookup_key=f"gpuadvisor_{key}_{interval}",
        )
        for interval, amount in (("month", month), ("year", year))
    ]
    return product, *prices


def customer(card="pm_card_visa", **more):
    return stripe.Customer.create(email="host@example.com", **({"payment_method": card} if card else {}), **more)


def subscribe(price, card="pm_card_visa", **more):
    return stripe.Subscription.create(customer=customer(card).id, items=[{"price": price.id}], **more)


def checkout(price, **more):
    given = {"customer": customer(None).id} if "customer" not in more and "customer_email" not in more else {}
    return stripe.checkout.Session.create(
        mode="subscription",
        line_items=[{"price": price.id, "quantity": 1}],
        success_url="https://site.test/done/?session={CHECKOUT_SESSION_ID}",
        cancel_url="https://site.test/plans/",
        **given,
        **more,
    )


def end_of(subscription):
    return subscription["items"].data[0].current_period_end


def lines(invoice):
    return [line.amount for line in invoice.lines.data]
