import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
# What `manage.py` does before Django comes in, and then what the test wants.
ATTACH = "import sys, time; from gpuadvisor.servers.attach import *; places = prepare_environment(); "


def processes_of(word):
    """Process ids of all whose command line names `word`, but ours; the dead that nobody has reaped do not count."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def gone(word, seconds=10):
    end = time.monotonic() + seconds
    while processes_of(word):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


class Folder:
    """A DATA_DIR of its own, and programs run with it as a newcomer's shell would."""

    def __init__(self, path):
        self.path = path
        names = (
            "DATABASE_URL",
            "WEB_DATABASE_URL",
            "WORKER_DATABASE_URL",
            "REDIS_URL",
            "CACHE_URL",
            "GPA_TEST_SERVERS",
        )
        self.env = {name: value for name, value in os.environ.items() if name not in names}
        self.env |= {"DATA_DIR": str(path), "SECRET_KEY": "", "PYTHONPATH": str(CHECKOUT)}

    def python(self, *arguments, **env):
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=CHECKOUT,
            env=self.env | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def attach(self, code, **env):
        """Run `code` attached to the servers; its output."""
        process = self.python("-c", ATTACH + code, **env)
        output = process.communicate(timeout=60)[0]
        assert process.returncode == 0, output
        return output

    def run(self, **env):
        """`make run` that is expected to refuse: its output and exit code."""
        process = self.python("-m", "gpuadvisor.servers", "run", **env)
        return process.communicate(timeout=60)[0].strip(), process.returncode

    def psql(self, statement):
        login = "host=places.sockets, port=5432, user='app', dbname='gpuadvisor', autocommit=True"
        code = f"import psycopg; done = psycopg.connect({login}).execute({statement!r}); "
        return self.attach(code + "print(done.fetchall() if done.description else '')").strip()

    def log(self, name):
        return (self.path / "logs" / f"{name}.log").read_text()


@pytest.fixture(scope="module")
def shared_folder():
    yield from _folder()


@pytest.fixture
def folder():
    yield from _folder()


def _folder():
    path = Path(tempfile.mkdtemp(prefix="gpa-servers-")).resolve()  # tmp_path is closed to 'nobody'
    path.chmod(0o711)
    yield Folder(path)
    assert gone(str(path)), "servers were left running"
    for memo in path.rglob("places.json"):
        shutil.rmtree(json.loads(memo.read_text())["sockets"], ignore_errors=True)
    shutil.rmtree(path, ignore_errors=True)
