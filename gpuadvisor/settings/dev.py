"""`make run`, the commands and benches: production's ways over plain http on localhost. DEBUG=1 asks for debugging."""

from .base import *
from .base import ALLOWED_HOSTS, LOCAL_HOSTS, env

# Every mail is also readable under /mailbox/, without signing in: on this machine alone.
MAILBOX_ENABLED = not set(ALLOWED_HOSTS) - set(LOCAL_HOSTS)
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if env.str("EMAIL_URL", default="")
    else "django.core.mail.backends.dummy.EmailBackend"
)
MARKET_SIMULATION = env.bool("MARKET_SIMULATION", default=True)
