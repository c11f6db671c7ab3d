"""A public installation behind https. What it needs comes from the environment; what is missing stops the start."""

from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from .base import *
from .base import ALLOWED_HOSTS, LOGGING, SECRET_KEY, SITE_URL, STRIPE_API_BASE, env

DEBUG = False
if env.bool("DEBUG", default=False):
    raise ImproperlyConfigured(
        "DEBUG is set: a public host shows its secrets with it. Unset DEBUG, or use settings.dev."
    )
if env.list("GUARD_ALLOWED_HOSTS", default=[]):
    raise ImproperlyConfigured("GUARD_ALLOWED_HOSTS lets accounts reach into your network. Unset it.")
if env.str("STRIPE", default=""):
    raise ImproperlyConfigured("STRIPE=standin rehearses payments: anybody could have any plan. Unset it.")
if STRIPE_API_BASE not in ("", "https://api.stripe.com"):
    raise ImproperlyConfigured("STRIPE_API_BASE names another server than Stripe's. Unset it.")
if len(SECRET_KEY) < 50:
    raise ImproperlyConfigured("SECRET_KEY is shorter than 50 characters.")
if urlsplit(SITE_URL).scheme != "https":
    raise ImproperlyConfigured("SITE_URL must begin with https:// in production.")
if not env.list("ALLOWED_HOSTS", default=[]):
    ALLOWED_HOSTS = [urlsplit(SITE_URL).hostname or ""]

EMAIL_CONFIG = env.email_url("EMAIL_URL")  # required: an account is verified by mail
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL")
MAILBOX_ENABLED = False
MARKET_SIMULATION = env.bool("MARKET_SIMULATION", default=False)

SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=365 * 24 * 60 * 60)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True
if env.int("TRUSTED_PROXY_COUNT", default=0):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
LOGGING["handlers"]["stderr"]["formatter"] = "json"
