"""Print how long known and unknown addresses take (promise 21): medians of 20 runs. Run by hand, not by the suite.

Both clocks: the wall's, which a visitor sees, and the processor's, which a busy machine does not disturb.

python -m django shell < tests/accounts/measure_enumeration.py
"""

import statistics
import sys
import time

from django.conf import settings
from django.db import transaction
from django.test import Client
from django.test.utils import override_settings

from gpuadvisor.accounts.models import User

RUNS = 20
PASSWORD = "correct-horse-battery-9"
FORMS = {
    "sign-up": ("/accounts/signup/", lambda email: {"email": email, "password1": PASSWORD}),
    "sign-in": ("/accounts/login/", lambda email: {"login": email, "password": "wrong-horse-77"}),
    "reset": ("/accounts/password/reset/", lambda email: {"email": email}),
}


def measure():
    known = "measure-known@example.com"
    if not User.objects.filter(email=known).exists():
        User.objects.create_user(known, PASSWORD).emailaddress_set.create(email=known, verified=True, primary=True)
    for name, (path, form) in FORMS.items():
        times = {"known": [], "unknown": []}
        for run in range(RUNS):
            for kind, email in (("known", known), ("unknown", f"measure-{name}-{run}@example.com")):
                client = Client(headers={"host": settings.ALLOWED_HOSTS[0]})
                client.get(path)
                began = time.perf_counter(), time.process_time()
                client.post(path, form(email))
                times[kind].append((time.perf_counter() - began[0], time.process_time() - began[1]))
        for clock, label in enumerate(("wall", "cpu")):
            known_ms, unknown_ms = (
                statistics.median(spent[clock] for spent in times[kind]) * 1000 for kind in ("known", "unknown")
            )
            sys.stdout.write(f"{name:8} {label:4} known {known_ms:6.1f} ms   unknown {unknown_ms:6.1f} ms\n")


with override_settings(ACCOUNT_RATE_LIMITS=False), transaction.atomic():
    measure()
    transaction.set_rollback(True)
