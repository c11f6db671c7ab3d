"""Print how long known and unknown addresses take (promise 21): medians of 20 runs. Run by hand, not by the suite.

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
                began = time.perf_counter()
                client.post(path, form(email))
                times[kind].append((time.perf_counter() - began) * 1000)
        medians = {kind: statistics.median(values) for kind, values in times.items()}
        sys.stdout.write(f"{name:8} known {medians['known']:6.1f} ms   unknown {medians['unknown']:6.1f} ms\n")


with override_settings(ACCOUNT_RATE_LIMITS=False), transaction.atomic():
    measure()
    transaction.set_rollback(True)
