"""Many machines: two webs and three workers as hosts of their own, one killed after the other under load (part 7)."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from django.conf import settings

OURS = ("DATABASE_URL", "WEB_DATABASE_URL", "WORKER_DATABASE_URL", "REDIS_URL", "CACHE_URL", "DATA_DIR", "SECRET_KEY")


def namespaces():
    """The words that give the program a network of its own; none where this machine does not let us."""
    if os.geteuid() or not shutil.which("unshare") or not shutil.which("ip"):
        return []
    bridge = ["unshare", "--net", "--", "ip", "link", "add", "hub", "type", "bridge"]
    return ["unshare", "--net", "--"] if subprocess.run(bridge, capture_output=True).returncode == 0 else []


@pytest.mark.slow
def test_nothing_is_lost_while_one_host_after_the_other_is_killed(capsys):
    """Counted at the receiver by `webhook-id`, and at visitors whom the other web serves meanwhile."""
    apart = namespaces()
    done = subprocess.run(
        [*apart, sys.executable, "-m", "tests.operations.hosts", *(["--apart"] if apart else [])],
        cwd=settings.BASE_DIR,
        env={name: value for name, value in os.environ.items() if name not in OURS and not name.startswith("GPA_")},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    with capsys.disabled():
        where = "network namespaces" if apart else "processes of one host: this machine gives no network namespaces"
        sys.stdout.write(f"\nhosts as {where}: {found}\n")
    assert found["lost"] == 0
    assert found["other_ids"] == 0
    assert len(found["deeds"]) == 6
    assert set(found["pages"]) == {"200"}
