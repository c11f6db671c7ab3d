"""What tests of the chat share: the stand-in of the language model."""

import json
import subprocess
import sys
import threading
import urllib.request

import pytest
from django.conf import settings as django_settings


class StandIn:
    """A running stand-in: `script` says what comes next, `journal` what was asked."""

    def __init__(self, address):
        self.address = address
        self.root = address.removesuffix("/v1")

    def call(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.root + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=5) as response:
            return json.load(response)

    def script(self, *steps, **options):
        """Answer the next requests with these steps, one each; then by itself."""
        self.call("/_script", {"steps": list(steps), **options})

    def journal(self):
        """The requests so far: body, chunks sent, and how each ended (running, whole, left, fault, refused)."""
        return self.call("/_journal")["requests"]

    def reset(self):
        self.call("/_reset", {})


def start_standin(*options):
    """The process and its stand-in, on a free port."""
    command = [sys.executable, "-m", "gpuadvisor.standins.openai", "--port", "0", "--first-delay", "0", "--delay", "0"]
    process = subprocess.Popen([*command, *options], cwd=django_settings.BASE_DIR, stdout=subprocess.PIPE, text=True)
    return process, StandIn(process.stdout.readline().strip())


@pytest.fixture(scope="session")
def standin_process():
    process, standin = start_standin()
    yield standin
    process.terminate()
    process.wait(timeout=5)
    process.stdout.close()


@pytest.fixture
def openai_standin(standin_process, settings):
    """The stand-in as this test's language model, its script and journal empty."""
    from chat import llm

    standin_process.reset()
    llm.forget()
    settings.OPENAI_API_KEY = "sk-test"
    settings.OPENAI_BASE_URL = standin_process.address
    settings.OPENAI_MODEL = "gpt-5-mini"
    settings.OPENAI_PRICE = ()
    settings.ADVISOR_HAS_MODEL = True
    return standin_process


@pytest.fixture
def threads_before():
    """The threads that stood before the test."""
    return set(threading.enumerate())
