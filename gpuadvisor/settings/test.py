"""The test suite: the real servers, a hasher that is quick, nothing that leaves the machine."""

from .base import *
from .base import CACHES, DATABASES, INSTALLED_APPS, LANGUAGES, STORAGES

INSTALLED_APPS = [*INSTALLED_APPS, "django_migration_linter"]

ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
LANGUAGES = [*LANGUAGES, ("de", "Deutsch"), ("fr", "Français")]  # prove that language and formats follow the user
MAILBOX_ENABLED = True
MARKET_SIMULATION = True
CURRENCY_RATES = ""
MARKET_SERVE_STALE = False  # what a test stored is what its next page shows
CACHES = CACHES | {name: CACHES[name] | {"KEY_PREFIX": f"test:{name}"} for name in ("sessions", "pages")}
DATABASES = {"default": DATABASES["default"]}  # tests/operations/test_replica.py has a copy of its own
# No language model unless a test sets one: the environment of a developer may name one.
OPENAI_API_KEY = OPENAI_BASE_URL = ""
OPENAI_MODEL = "gpt-5-mini"
OPENAI_PRICE = ()
ADVISOR_HAS_MODEL = False
# Nor Stripe.
STRIPE_KEY = STRIPE_SECRET_KEY = STRIPE_WEBHOOK_SECRET = STRIPE_API_BASE = ""
STRIPE_LIVE_MODE = BILLING_ENABLED = False
# Nor backups.
BACKUP_DRIVER = "off"
EMBEDDED_POSTGRES = ""
