"""`STRIPE=standin`: the stand-in for Stripe runs beside the site, so that plans can be bought without money."""

import os
import subprocess
import sys

from gpuadvisor.servers.errors import Refused
from gpuadvisor.servers.places import CHECKOUT, Places

KEY = "sk_test_" + "standin0" * 3
SECRET = "whsec_standin"  # noqa: S105 - it guards nothing: any visitor may have any plan
NAMES = ("STRIPE_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_BASE")
APART = 91  # its port from the site's: 8091 beside 8000
# An event that is not taken comes again so often; Stripe's own goes on for three days.
RETRY_SECONDS = "1,2,5,10,30,60,300,1800,3600"
STATE = "stripe_standin.state"  # in DATA_DIR: what was bought outlives a restart
TRIES = 3


def is_on() -> bool:
    """Raises: Refused where STRIPE names something else."""
    named = os.environ.get("STRIPE", "")
    if named not in ("", "standin"):
        raise Refused(f"STRIPE is '{named}': leave it out, or set STRIPE=standin to rehearse payments.")
    return bool(named)


def port(site_port: int) -> int:
    return site_port + APART if site_port + APART <= 65535 else site_port - APART


def prepare_environment() -> None:
    """Let the site's Stripe be the stand-in, if that is asked for.

    Raises: Refused where the environment names another Stripe.
    """
    if not is_on():
        return
    site_port = os.environ.get("PORT") or "8000"
    base = f"http://127.0.0.1:{port(int(site_port))}" if site_port.isascii() and site_port.isdigit() else ""
    for name, value in zip(NAMES, (KEY, SECRET, base), strict=True):
        if os.environ.setdefault(name, value) != value:
            raise Refused(f"STRIPE=standin rehearses payments, and {name} is set: unset one of them.")


def command(places: Places, site_port: int) -> list[str]:
    options = ["--port", str(port(site_port)), "--deliver-to", f"http://127.0.0.1:{site_port}/billing/webhook/"]
    options += ["--secret", SECRET, "--key", KEY, "--retry-delays", RETRY_SECONDS]
    return [sys.executable, "-m", "gpuadvisor.standins.stripe", *options, "--state", str(places.data / STATE)]


def sync_plans() -> str:
    """Let the stand-in sell what the table of plans says; why it does not, "" where it does."""
    said = ""
    for _ in range(TRIES):
        manage = [sys.executable, str(CHECKOUT / "manage.py"), "sync_plans"]
        done = subprocess.run(manage, cwd=CHECKOUT, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return ""
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return said
