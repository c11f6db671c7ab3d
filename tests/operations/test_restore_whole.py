"""The point-in-time restore of "Done when", by the commands that an operator types, on a whole database of ours."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from django.conf import settings

pytestmark = pytest.mark.slow
LEFT_OUT = {"DATABASE_URL", "WEB_DATABASE_URL", "WORKER_DATABASE_URL", "REDIS_URL", "CACHE_URL", "SECRET_KEY"}

BEGIN = """
import json
from datetime import timedelta
from django.core.mail import EmailMultiAlternatives
from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock, mail
from gpuadvisor.core.models import QueuedMail
from gpuadvisor.core.partitions import ensure_standing_months
from portfolios.models import Portfolio
ensure_standing_months()
host = User.objects.create_user("host@example.com", "a-Password-0123")
gone = User.objects.create_user("gone@example.com", "a-Password-0123")
kept = Portfolio.objects.create(user=host, name="Kept")
for name, age in (("old", 25), ("young", 1)):
    (row,) = mail.queue(EmailMultiAlternatives(name, "text", to=["host@example.com"]))
    QueuedMail.objects.filter(pk=row.pk).update(created_at=clock.now() - timedelta(hours=age))
print(json.dumps({"gone": str(gone.pk)}))
"""
GO_ON = """
import json, sys, time
from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock
from gpuadvisor.operations.privacy import ledger
from portfolios.models import Portfolio
moment = clock.now()
time.sleep(0.05)
Portfolio.objects.filter(name="Kept").delete()
gone = User.objects.get(email="gone@example.com")
ledger.add(gone.pk, clock.now())
gone.delete()
Portfolio.objects.create(user=User.objects.get(email="host@example.com"), name="Later")
assert [one.name for one in Portfolio.objects.all()] == ["Later"]
print(json.dumps({"moment": moment.isoformat()}))
"""
LOOK = """
import json
from gpuadvisor.accounts.models import User
from gpuadvisor.core.models import QueuedMail
from gpuadvisor.operations.models import Erasure
from portfolios.models import Portfolio
print(json.dumps({
    "portfolios": sorted(Portfolio.objects.values_list("name", flat=True)),
    "mails": dict(QueuedMail.objects.values_list("subject", "status")),
    "gone": User.objects.filter(email="gone@example.com", is_active=True).count(),
    "erasures": list(Erasure.objects.values_list("state", flat=True)),
}))
"""


@pytest.fixture
def manage():
    root = Path(tempfile.mkdtemp(prefix="gpa-test-"))
    root.chmod(0o711)
    environment = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    environment |= {"DATA_DIR": str(root), "DJANGO_SETTINGS_MODULE": "gpuadvisor.settings.dev"}

    def run(*words, rc=0):
        command = [sys.executable, "manage.py", *words]
        done = subprocess.run(
            command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == rc, done.stdout + done.stderr
        return done.stdout + done.stderr

    run.data = root
    yield run
    shutil.rmtree(root, ignore_errors=True)


def last_json(text):
    return json.loads([line for line in text.splitlines() if line.startswith("{")][-1])


def test_a_restore_brings_a_deleted_portfolio_back_and_keeps_an_erased_user_erased(manage):
    """Done when: both; and e39: what waited for longer than a day is not sent again."""
    manage("migrate", "-v0")
    last_json(manage("shell", "-v0", "-c", BEGIN))
    made = last_json(manage("backup", "--json"))
    assert (made["ok"], made["kind"]) == (True, "full")
    moment = last_json(manage("shell", "-v0", "-c", GO_ON))["moment"]
    into = manage.data / "back"
    said = manage("restore", "--at", moment, "--into", str(into), "--switch")
    assert "The site's database is now the one of" in said
    assert "1 mails older than 24 hours were given up" in said
    found = last_json(manage("shell", "-v0", "-c", LOOK))
    assert found["portfolios"] == ["Kept"]
    assert found["mails"] == {"old": "failed", "young": "pending"}
    assert found["gone"] == 0
    assert len(found["erasures"]) == 1

    after = last_json(manage("backup", "--json"))  # a new line of history: a full one
    assert after["kind"] == "full"
