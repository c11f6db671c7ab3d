"""What tests of billing share: the stand-in for Stripe."""

import json
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import stripe
from django.conf import settings as django_settings

from billing import client, selling

KEY = "sk_test_" + "standin0" * 3
SECRET = "whsec_standin"


class StripeStandIn:
    """A running stand-in and its control calls (the package's docstring tells them)."""

    def __init__(self, address):
        self.address = address

    # -- Calls ---------------------------------------------------------------------------------------------------------
    def call(self, path="", body=None, method=None):
        """A control call; the answer of one that is refused is its error."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/_control{path}", data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return json.load(response)
        except urllib.error.HTTPError as refused:
            return json.load(refused)

    def reset(self):
        self.call("/reset", {})

    def advance(self, *, days=0, seconds=0):
        """Move the clock on; the kinds of the events on the way."""
        return self.call("/clock", {"days": days, "seconds": seconds})["events"]

    @property
    def now(self):
        return self.call()["now"]

    def fault(self, fault, match="", **more):
        return self.call("/faults", {"fault": fault, "match": match, **more})

    def clear_faults(self):
        self.call("/faults", method="DELETE")

    def cards(self, behaviour, id=""):
        self.call("/cards", {"behaviour": behaviour, "id": id})

    def pay(self, session, card="pays", **more):
        """What a visitor does on the page of Checkout: redirect, error or asks; and the session."""
        return self.call(f"/checkout/{session}", {"card": card, **more})

    def journal(self, match=""):
        """The calls to the API whose "POST /v1/..." starts so."""
        rows = self.call("/journal")["calls"]
        return [row for row in rows if f"{row['method']} {row['path']}".startswith(match)]

    # -- Webhooks ------------------------------------------------------------------------------------------------------
    def hold(self):
        """Keep events back from now on."""
        self.call("/webhooks", {"hold": True})

    def held(self):
        return self.call()["held"]

    def release(self, order="in"):
        self.call("/webhooks", {"hold": False, "order": order})

    def next_event(self, what, **more):
        """lost, late or twice."""
        self.call("/webhooks", {"next": what, **more})

    def send(self, event, **how):
        """Send an event again, now; the statuses that came back."""
        return self.call(f"/events/{event}/send", how)["statuses"]

    def signed(self, event, **how):
        """The body of an event and the header that goes with it, for a client of one's own."""
        answer = self.call(f"/events/{event}/signed", how)
        return answer["body"], answer["header"]

    def delivered(self, seconds=5):
        """Every try so far, once nothing is left to send."""
        answer = self.call("/deliveries/wait", {"seconds": seconds})
        assert answer["done"], "deliveries are still going on"
        return answer["deliveries"]

    def events(self, *kinds):
        """The events so far, oldest first: of these kinds, or all."""
        rows = stripe.Event.list(limit=100, **({"types": list(kinds)} if kinds else {})).auto_paging_iter()
        return list(rows)[::-1]

    # -- Pages ---------------------------------------------------------------------------------------------------------
    def page(self, url, **form):
        """A page as a visitor gets it, or (with a form) what a button leads to: (status, text or address)."""
        data = urllib.parse.urlencode(form).encode() if form else None
        try:
            with _opener().open(urllib.request.Request(url, data), timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as other:
            return other.code, other.headers["Location"] or other.read().decode()


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args, **kwargs):
        return None


def _opener():
    return urllib.request.build_opener(_Stay)


@contextmanager
def started(*options):
    """A stand-in in a process of its own, on a free port."""
    command = [sys.executable, "-m", "gpuadvisor.standins.stripe", "--port", "0", "--retry-delays", "0.02,0.02"]
    process = subprocess.Popen([*command, *options], cwd=django_settings.BASE_DIR, stdout=subprocess.PIPE, text=True)
    try:
        yield StripeStandIn(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait(timeout=5)
        process.stdout.close()


@pytest.fixture(scope="session")
def stripe_process():
    with started() as standin:
        yield standin


@pytest.fixture
def stripe_standin(stripe_process, monkeypatch):
    """The stand-in as the Stripe of this test, with nothing in it; the library's own calls go there."""
    stripe_process.reset()
    monkeypatch.setattr(stripe, "api_base", stripe_process.address)
    monkeypatch.setattr(stripe, "api_key", KEY)
    monkeypatch.setattr(stripe, "max_network_retries", 0)
    monkeypatch.setattr(stripe, "default_http_client", stripe.RequestsClient(timeout=(2, 5)))
    return stripe_process


@pytest.fixture
def billing_on(stripe_standin, settings, monkeypatch):
    """The site with billing on, its Stripe being the stand-in, called as the site calls it."""
    settings.STRIPE_KEY = settings.STRIPE_SECRET_KEY = KEY
    settings.STRIPE_WEBHOOK_SECRET = SECRET
    settings.STRIPE_API_BASE = stripe_standin.address
    settings.BILLING_ENABLED = True
    monkeypatch.setattr(stripe, "default_http_client", client.DeadlineClient())
    return stripe_standin


@pytest.fixture
def shop(billing_on):
    """A Stripe that sells what our table says."""
    selling.bring()
    return billing_on


class Receiver:
    """A small server that takes webhooks: `got` holds (headers, body); `answers` is what it says next, then 200."""

    def __init__(self):
        self.got, self.answers = [], []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                receiver.got.append((self.headers, body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/billing/webhook/"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def types(self):
        return [json.loads(body)["type"] for _, body in self.got]

    def ids(self):
        return [json.loads(body)["id"] for _, body in self.got]


@pytest.fixture
def webhook_receiver(stripe_standin):
    """A receiver that is an endpoint of the stand-in; its `secret` signs."""
    receiver = Receiver()
    endpoint = stripe.WebhookEndpoint.create(url=receiver.url, enabled_events=["*"])
    receiver.secret, receiver.id = endpoint.secret, endpoint.id
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
