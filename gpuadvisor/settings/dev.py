"""`make run`, the commands and benches: production's ways over plain http on localhost. DEBUG=1 asks for debugging."""

from .base import *
from .base import env

MAILBOX_ENABLED = True  # every mail is also readable under /mailbox/
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if env.str("EMAIL_URL", default="")
    else "django.core.mail.backends.dummy.EmailBackend"
)
MARKET_SIMULATION = env.bool("MARKET_SIMULATION", default=True)
