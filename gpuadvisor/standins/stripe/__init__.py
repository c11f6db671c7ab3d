"""A stand-in for Stripe: `python -m gpuadvisor.standins.stripe --port 8091`; no product code imports it.

It speaks the API of `2026-05-27.dahlia` over HTTP, keeps what it is told in memory (with `--state` in a file, too),
shows pages that pay, and sends signed webhooks. Any key `sk_test_…` is let in. The first line of its output is its
address (STRIPE_API_BASE of the site).

    --port N             0: any that is free; default 8091
    --deliver-to URL     a webhook endpoint from the start, with all events
    --secret whsec_…     what that endpoint's events are signed with; default whsec_standin
    --key sk_test_…      the only key that is let in
    --retry-delays 1,5   seconds before an event that was not taken is sent again, once each
    --state FILE         kept after each call, taken up at the next start: objects, keys, the moved clock, events not
                         taken yet; neither faults nor the journal

What a visitor would open: /pay/<session> (pay, be declined, be asked by the bank, go back), /portal/<session> (cancel,
resume, change of plan, change of card, invoices), /invoice/<invoice> (see, pay).

Cards by name: pm_card_visa, pm_card_mastercard (pay); pm_card_chargeCustomerFail (attaches, then is declined);
pm_card_chargeDeclined (will not attach); pm_card_authenticationRequired (the bank asks, each time).

Control calls take and answer JSON, without a key:

    GET  /_control                     clock, counts of what there is, faults, events held
    POST /_control/reset               forget all but the options of the start
    POST /_control/clock               {"days": 31} | {"seconds": 60} | {"to": 1790000000}: time moves on, and what
                                       falls due by then happens in its order: ends of trials and periods, renewals
                                       (invoice as a draft, an hour later final and paid), tries of a failed card after
                                       3, 5, 7 and 14 days (then canceled, the invoice uncollectible), expiries
    POST /_control/faults              {"fault": "hang", "match": "POST /v1/checkout", "times": 1, "seconds": 60,
                                       "after": false}: which calls (a prefix of method and path; "" all), how often
                                       (0: until cleared), whether the call takes effect all the same ("after").
                                       hang: silence for `seconds`; drip: a byte every `seconds` (default 1);
                                       429, 500, 503: that error; closed: no answer; html: 200 with a page
    DELETE /_control/faults            no more faults
    POST /_control/cards               {"behaviour": "pays" | "fails" | "asks", "id": "cus_… or pm_…"}: from now on;
                                       without id: all cards; {"behaviour": ""}: as each was made
    POST /_control/checkout/<session>  {"card": "pays" | "fails" | "asks" | "confirmed" | "none", "code": "SPRING"}: as
                                       if on the page; answers {"redirect" | "error" | "asks", "session"}
    POST /_control/disputes            {"charge": "ch_…", "reason": "fraudulent"}: the payer disputes it; nothing else
    POST /_control/webhooks            {"hold": true}: events are kept back; {"hold": false, "order": "in" | "reverse" |
                                       [ids]}: and sent in that order; {"next": "lost" | "late" | "twice", "times": 1,
                                       "seconds": 5, "type": "invoice.paid"}: what happens to the next events
    POST /_control/events/<id>/send    {"times": 5, "parallel": true, "secret": "…", "age": 400, "change": {"livemode":
                                       true}, "url": "…"}: send again, now, forged if wished; answers {"statuses": […]}
    GET  /_control/events/<id>/signed  {"body", "header"}: to post it by hand
    GET  /_control/deliveries          each try: event, type, url, status (0: no answer), try
    POST /_control/deliveries/wait     {"seconds": 5}: answers when nothing is left to send
    GET  /_control/journal             each call to the API: method, path, params, status, idempotency_key, version

An answer kept under an idempotency key is one that took effect (2xx, 402): a call that an injected fault stopped before
it began may be sent again with its key. Signatures carry the real time, objects the time of the moved clock.

Not there: taxes, schedules, test clocks as objects, quotes, Connect, payment links, Checkout in modes other than
subscription, metered and tiered prices, several currencies.
"""
