"""Expand and contract: the code of the last release runs on the tables of this one (R-063, docs/operations.md)."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

CHECKOUT = Path(settings.BASE_DIR)
pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def git(*words):
    return subprocess.run(["git", *words], cwd=CHECKOUT, capture_output=True, text=True, check=False)


def smoke(folder):
    base, _, query = os.environ["DATABASE_URL"].partition("?")
    url = f"{base.rpartition('/')[0]}/{connection.settings_dict['NAME']}?{query}"
    return subprocess.run(
        [sys.executable, "-m", "tests.operations.smoke"],
        cwd=folder,
        env=os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "gpuadvisor.settings.test"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_this_code_passes_the_smoke_test():
    done = smoke(CHECKOUT)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "pages" in done.stdout


def test_the_code_of_the_last_release_passes_its_smoke_test_on_the_tables_of_this_one(tmp_path):
    tag = git("describe", "--tags", "--abbrev=0", "HEAD^").stdout.strip()
    if not tag:
        pytest.skip("no release has been tagged yet (or this clone has no tags): there is no old code to run")
    if git("cat-file", "-e", f"{tag}:tests/operations/smoke.py").returncode:
        pytest.skip(f"{tag} has no smoke test: it is older than this rule")
    archive, old = tmp_path / "old.tar", tmp_path / "old"
    assert git("archive", "-o", str(archive), tag).returncode == 0
    with tarfile.open(archive) as packed:
        packed.extractall(old, filter="data")
    done = smoke(old)
    assert done.returncode == 0, f"{tag} on the new tables: {done.stderr[-3000:]}"
