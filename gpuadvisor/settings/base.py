"""Settings that every environment shares. The environment is read here, once; each name also stands in .env.example."""

import re
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import django_stubs_ext
import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parents[2]


class Environment(FileAwareMapping):  # type: ignore[misc]
    """Any name may stand in a file: the one that SECRET_KEY_FILE names holds SECRET_KEY, less its last line break."""

    def __getitem__(self, key: str) -> str:
        try:
            value: str = super().__getitem__(key)
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(f"{key}_FILE names a file that cannot be read: {error}.") from None
        return value.strip() if key in self.files_cache else value


class Env(environ.Env):  # type: ignore[misc]
    """The environment, in which an empty name is an unset one: `.env` files often hold such."""

    ENVIRON = Environment()

    def get_value(
        self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, parse_default: bool = False
    ) -> Any:
        if self.ENVIRON.get(var) == "":
            if default is environ.Env.NOTSET:
                raise ImproperlyConfigured(f"Set the {var} environment variable")
            return default
        return super().get_value(var, cast, default, parse_default)

    def key(self, var: str) -> str:
        """A key that is sent in a header, without the line break that a copied file leaves behind; empty where unset.

        Raises: ImproperlyConfigured, without the key, where it holds what no header may.
        """
        key: str = self.str(var, default="").strip()
        if not (key.isascii() and key.isprintable()):
            raise ImproperlyConfigured(f"{var} holds characters that no key has, a line break perhaps: set it again.")
        return key

    def prices(self, var: str) -> tuple[Decimal, ...]:
        """Three prices, "input,cached,output", each 0 or more; nothing where unset.

        Raises: ImproperlyConfigured where it holds anything else.
        """
        parts = self.list(var, default=[])
        try:
            prices = tuple(Decimal(part.strip()) for part in parts)
        except InvalidOperation:
            prices = (Decimal(-1),)
        if prices and not (len(prices) == 3 and all(price.is_finite() and price >= 0 for price in prices)):
            raise ImproperlyConfigured(f'{var} holds three prices, "input,cached,output", as in 0.25,0.025,2.')
        return prices

    def address(self, var: str) -> str:
        """The address of a server, without the last slash; empty where unset.

        Raises: ImproperlyConfigured where it is no http address.
        """
        address: str = self.str(var, default="").strip().rstrip("/")
        if address and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", address):
            raise ImproperlyConfigured(f"{var} is the address of a server, as in http://127.0.0.1:11434/v1.")
        return address


env = Env()
env.read_env(BASE_DIR / ".env")

# -- What this installation is ---------------------------------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
SITE_NAME = "GPU Advisor"
SITE_URL = env.str("SITE_URL", default=f"http://localhost:{env.int('PORT', default=8000)}")  # mails link to it
LOCAL_HOSTS = ["localhost", "127.0.0.1"]
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=LOCAL_HOSTS)
if DEBUG and set(ALLOWED_HOSTS) - {*LOCAL_HOSTS, "[::1]", "testserver"}:
    raise ImproperlyConfigured("DEBUG is set and ALLOWED_HOSTS names a public host: unset one of them.")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
MARKET_DATA_DIR = Path(env.str("MARKET_DATA_DIR", default=str(BASE_DIR.parent / "shared" / "data" / "market")))

INSTALLED_APPS = [
    "gpuadvisor.core",
    "gpuadvisor.accounts",
    "gpuadvisor.api",
    "market",
    "billing",
    "portfolios",
    "chat",
    "alerts",
    "gpuadvisor.operations",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.google",
    "allauth.socialaccount.providers.github",
    "allauth.socialaccount.providers.discord",
    "djstripe",
    "csp",
    "django_htmx",
    "template_partials",
]

MIDDLEWARE = [
    "gpuadvisor.core.middleware.RequestIdMiddleware",
    "gpuadvisor.operations.metrics.MetricsMiddleware",
    "gpuadvisor.api.middleware.ApiMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "gpuadvisor.core.middleware.PolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "gpuadvisor.core.middleware.CleanInputMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "gpuadvisor.core.replica.ReplicaMiddleware",
    "gpuadvisor.accounts.middleware.LocaleAndZoneMiddleware",
    "gpuadvisor.accounts.middleware.LoginRequiredMiddleware",
    "gpuadvisor.accounts.middleware.DemoReadOnlyMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "gpuadvisor.accounts.middleware.SessionActivityMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "gpuadvisor.operations.middleware.ReadOnlyModeMiddleware",
    "gpuadvisor.operations.middleware.ImpersonationMiddleware",
    "portfolios.middleware.ReadOnlyMiddleware",
]

ROOT_URLCONF = "gpuadvisor.urls"
WSGI_APPLICATION = "gpuadvisor.wsgi.application"
ASGI_APPLICATION = "gpuadvisor.asgi.application"
APPEND_SLASH = True
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["template_partials.templatetags.partials"],  # as in Django 6
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "gpuadvisor.core.context_processors.site",
                "billing.banner.plan_banner",
            ],
        },
    }
]

# -- Database --------------------------------------------------------------------------------------------------------
# Each kind of process has a role of its own, whose timeouts stand in the database (reliability: web 5 s, worker 60 s).
DATABASE_ROLE = env.str("DATABASE_ROLE", default="owner")  # owner | web | worker
DATABASE_URLS = {
    "owner": env.str("DATABASE_URL"),
    "web": env.str("WEB_DATABASE_URL", default=""),
    "worker": env.str("WORKER_DATABASE_URL", default=""),
}
DATABASES = {"default": env.db_url_config(DATABASE_URLS[DATABASE_ROLE] or DATABASE_URLS["owner"])}
DATABASES["default"] |= {
    "ENGINE": "django.db.backends.postgresql",
    "CONN_MAX_AGE": env.int("CONN_MAX_AGE", default=60),
    "CONN_HEALTH_CHECKS": True,
}
# Behind PgBouncer in transaction mode: no cursor outlives its transaction. Prepared statements are off (Django's way).
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = env.bool("DATABASE_POOLED", default=False)
# A copy that market history, analytics and exports may read while it is fresh (core/replica.py).
DATABASE_REPLICA_URL = env.str("DATABASE_REPLICA_URL", default="")
if DATABASE_REPLICA_URL:
    DATABASES["replica"] = env.db_url_config(DATABASE_REPLICA_URL)
    DATABASES["replica"] |= {
        name: DATABASES["default"][name]
        for name in ("ENGINE", "CONN_MAX_AGE", "CONN_HEALTH_CHECKS", "DISABLE_SERVER_SIDE_CURSORS")
    }
    DATABASES["replica"]["OPTIONS"] = {  # a machine that went silent is given up after seconds
        "connect_timeout": 2,
        "tcp_user_timeout": 3000,
        "keepalives_idle": 2,
        "keepalives_interval": 1,
        "keepalives_count": 3,
    } | DATABASES["replica"].get("OPTIONS", {})
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- Backups: of the embedded server always, of one of your own by BACKUP_KEY and BACKUP_DIR, or BACKUP_STANZA ---------
EMBEDDED_POSTGRES = env.str("EMBEDDED_POSTGRES", default="")  # where its files stand; set by us, with DATABASE_URL
BACKUP_KEY = env.key("BACKUP_KEY")  # apart from SECRET_KEY: who reads the one cannot open the other's
BACKUP_KEY_FALLBACKS = env.list("BACKUP_KEY_FALLBACKS", default=[])
BACKUP_DIR = env.str("BACKUP_DIR", default="") or (str(DATA_DIR / "backups") if EMBEDDED_POSTGRES else "")
BACKUP_COPY_DIR = env.str("BACKUP_COPY_DIR", default="")  # another disk, or a mounted store elsewhere
BACKUP_DAYS = env.int("BACKUP_DAYS", default=30)
BACKUP_SPOOL = env.str("BACKUP_SPOOL", default="") or (str(Path(EMBEDDED_POSTGRES) / "spool") * bool(EMBEDDED_POSTGRES))
BACKUP_STANZA = env.str("BACKUP_STANZA", default="")  # of pgBackRest
BACKUP_PGBACKREST_CONFIG = env.str("BACKUP_PGBACKREST_CONFIG", default="")
BACKUP_USER = env.str("BACKUP_USER", default="postgres")  # under whom root runs pgBackRest
BACKUP_PG_BIN = env.str("BACKUP_PG_BIN", default="")  # the server's programs, where they are not found by themselves
BACKUP_DRIVER = env.str("BACKUP_DRIVER", default="") or (  # basebackup | pgbackrest | off
    "pgbackrest" if BACKUP_STANZA else "basebackup" if BACKUP_KEY and BACKUP_DIR and BACKUP_SPOOL else "off"
)
if BACKUP_DRIVER not in ("basebackup", "pgbackrest", "off"):
    raise ImproperlyConfigured("BACKUP_DRIVER is basebackup, pgbackrest or off.")
if BACKUP_DRIVER != "off" and BACKUP_KEY and len(BACKUP_KEY) < 32:
    raise ImproperlyConfigured("BACKUP_KEY is shorter than 32 characters.")

# -- Redis: one instance for messages (REDIS_URL), one for what may vanish (CACHE_URL) ---------------------------------
REDIS_URL = env.str("REDIS_URL")
CACHE_URL = env.str("CACHE_URL")
CACHE_KEY_PREFIX = env.str("CACHE_KEY_PREFIX", default="gpa")
CACHES = {
    # allauth keeps sign-in limits and used codes here, and they must be exact without Redis: a table.
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "limits",
        "OPTIONS": {"MAX_ENTRIES": 1_000_000},
    },
    "sessions": {
        "BACKEND": "gpuadvisor.core.cache.BreakerRedis",
        "LOCATION": CACHE_URL,
        "KEY_PREFIX": f"{CACHE_KEY_PREFIX}:s",
    },
    "pages": {
        "BACKEND": "gpuadvisor.core.cache.FailSoftRedis",
        "LOCATION": CACHE_URL,
        "KEY_PREFIX": f"{CACHE_KEY_PREFIX}:p",
    },
}

# -- Accounts --------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]  # a ModelBackend too: hashes once
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "gpuadvisor.accounts.passwords.MaximumLengthValidator", "OPTIONS": {"max_length": 128}},
    {"NAME": "gpuadvisor.accounts.passwords.MixedClassValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "portfolios:dashboard"
LOGOUT_REDIRECT_URL = "market:home"
PASSWORD_RESET_TIMEOUT = 60 * 60 * 24

SESSION_ENGINE = "gpuadvisor.accounts.sessions"
SESSION_CACHE_ALIAS = "sessions"
SESSION_COOKIE_AGE = 7 * 24 * 60 * 60
SESSION_COOKIE_NAME = "__Host-sessionid"
SESSION_COOKIE_SECURE = SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "__Host-csrftoken"
CSRF_COOKIE_SECURE = CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "gpuadvisor.core.views.csrf_failure"

ACCOUNT_ADAPTER = "gpuadvisor.accounts.adapters.AccountAdapter"
SOCIALACCOUNT_ADAPTER = "gpuadvisor.accounts.adapters.SocialAccountAdapter"
MFA_ADAPTER = "gpuadvisor.accounts.adapters.MFAAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_NOTIFICATIONS = True  # a mail tells of every change to how one signs in
ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = 3
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "gpuadvisor.accounts.tokens.ResetTokenGenerator"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_FORMS = {"signup": "gpuadvisor.accounts.forms.SignupForm"}
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)
USERSESSIONS_TRACK_ACTIVITY = True
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_PASSKEY_SIGNUP_ENABLED = False
MFA_ALLOW_UNVERIFIED_EMAIL = True  # else a pending change of address blocks every new key
MFA_TOTP_ISSUER = SITE_NAME
MFA_FORMS = {
    "add_webauthn": "gpuadvisor.accounts.passkey_forms.AddWebAuthnForm",
    "authenticate_webauthn": "gpuadvisor.accounts.passkey_forms.AuthenticateWebAuthnForm",
    "login_webauthn": "gpuadvisor.accounts.passkey_forms.LoginWebAuthnForm",
    "reauthenticate_webauthn": "gpuadvisor.accounts.passkey_forms.ReauthenticateWebAuthnForm",
}

# A provider is on where both its keys are set; its host then joins the policy's form-action below.
SOCIAL_PROVIDERS = {
    "google": "https://accounts.google.com",
    "github": "https://github.com",
    "discord": "https://discord.com",
}
SOCIALACCOUNT_PROVIDERS = {
    name: {"APPS": [{"client_id": client_id, "secret": secret, "key": ""}]}
    for name in SOCIAL_PROVIDERS
    if (client_id := env.str(f"{name.upper()}_CLIENT_ID", default=""))
    and (secret := env.str(f"{name.upper()}_CLIENT_SECRET", default=""))
}
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False

# -- Mail ------------------------------------------------------------------------------------------------------------
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="GPU Advisor <advisor@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
CONTACT_EMAIL = env.str("CONTACT_EMAIL", default="")  # whom to write to about a plan by agreement
OPERATOR_EMAILS = env.list("OPERATOR_EMAILS", default=[])  # who is written to when something is red
METRICS_TOKEN = env.key("METRICS_TOKEN")  # who sends it may read /metrics; empty: there is no such page
SENTRY_DSN = env.str("SENTRY_DSN", default="")  # errors are told there, scrubbed, where sentry-sdk is installed
SENTRY_ENVIRONMENT = env.str("SENTRY_ENVIRONMENT", default="")
OTEL_EXPORTER_OTLP_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="")  # traces, where its packages are
MAILBOX_ENABLED = False  # the mails readable in the site: development only

# -- Security --------------------------------------------------------------------------------------------------------
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
PERMISSIONS_POLICY = (
    "camera=(), geolocation=(), microphone=(), payment=(), usb=(), "
    "publickey-credentials-get=(self), publickey-credentials-create=(self)"
)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF, *(SOCIAL_PROVIDERS[name] for name in SOCIALACCOUNT_PROVIDERS)],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000
FILE_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
MAX_BODY_BYTES = env.int("MAX_BODY_BYTES", default=12 * 1024 * 1024)  # asgi.py reads no more of a request
MAX_IMPORT_BYTES = env.int("MAX_IMPORT_BYTES", default=128 * 1024 * 1024)  # a file of daily results, spooled to disk
PAGE_THREADS = env.int("PAGE_THREADS", default=4)
# "127.0.0.1:8025": receivers of one's own that alerts may call without TLS, for tests and benches; prod.py refuses it
GUARD_ALLOWED_HOSTS = env.list("GUARD_ALLOWED_HOSTS", default=[])

# -- Language and time -----------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-us"
# Offered once its pages are translated: half a language is worse than none. Formats follow the choice.
LANGUAGES = [("en-us", "English (US)"), ("en-gb", "English (UK)")]
USE_I18N = USE_TZ = True
TIME_ZONE = "UTC"

# -- Static files ----------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(DATA_DIR / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
MEDIA_ROOT = DATA_DIR / "media"

# -- Privacy: what must lie on one disk for all workers (docs/operations.md) -------------------------------------------
EXPORT_DIR = Path(env.str("EXPORT_DIR", default=str(DATA_DIR / "exports")))  # web and workers see it
ERASURE_LEDGER_DIR = Path(env.str("ERASURE_LEDGER_DIR", default=str(DATA_DIR / "erasures")))

# -- Celery: a message is a nudge, never the only copy (reliability c) -------------------------------------------------
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 900,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "health_check_interval": 25,
    "global_keyprefix": f"{CACHE_KEY_PREFIX}:q:",
}
CELERY_TASK_ACKS_LATE = CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT, CELERY_TASK_SOFT_TIME_LIMIT = 300, 240
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 500
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 400_000  # kB
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 30
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_TASK_DEFAULT_QUEUE = "bulk"
CELERY_TASK_ROUTES = {
    "alerts.tasks.*": {"queue": "alerts"},
    "gpuadvisor.core.tasks.send_due_mails": {"queue": "alerts"},
    "gpuadvisor.core.tasks.replica_heartbeat": {"queue": "alerts"},
    "market.tasks.*": {"queue": "ingest"},
    "chat.tasks.*": {"queue": "chat"},
    "billing.tasks.prepare_visit": {"queue": "chat"},  # a host waits for it, and it waits for Stripe
    "billing.tasks.*": {"queue": "alerts"},
    "gpuadvisor.operations.tasks_backups.*": {"queue": env.str("BACKUP_QUEUE", default="bulk")},  # one host's, of many
}

# -- Stripe: without a key and the secret of its webhook billing is off ------------------------------------------------
STRIPE_KEY = env.key("STRIPE_KEY")
STRIPE_WEBHOOK_SECRET = env.key("STRIPE_WEBHOOK_SECRET")
STRIPE_API_BASE = env.address("STRIPE_API_BASE")  # the stand-in's (gpuadvisor/standins/stripe); prod.py refuses it
STRIPE_API_VERSION = "2026-05-27.dahlia"  # what billing/ and the stand-in read; dj-stripe's own default too
if STRIPE_KEY and not re.fullmatch(r"(sk|rk)_(test|live)_[A-Za-z0-9]{24,}", STRIPE_KEY):
    raise ImproperlyConfigured("STRIPE_KEY is no secret key of Stripe: it begins with sk_test_ or sk_live_.")
STRIPE_LIVE_MODE = STRIPE_KEY.split("_")[1:2] == ["live"]
STRIPE_SECRET_KEY = STRIPE_KEY  # dj-stripe's names
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
DJSTRIPE_SUBSCRIBER_CUSTOMER_KEY = None  # whose a customer is stands in subscriptions alone
BILLING_ENABLED = bool(STRIPE_KEY and STRIPE_WEBHOOK_SECRET)
STRIPE_TAX = env.bool("STRIPE_TAX", default=False)  # Stripe reckons the tax, as set up there (Stripe Tax)
if BILLING_ENABLED:  # where a form of ours may lead to
    STRIPE_PAGES = (
        [STRIPE_API_BASE] if STRIPE_API_BASE else ["https://checkout.stripe.com", "https://billing.stripe.com"]
    )
    CONTENT_SECURITY_POLICY["DIRECTIVES"]["form-action"] += STRIPE_PAGES

# -- Market ----------------------------------------------------------------------------------------------------------
MARKET_SOURCES = env.list(
    "MARKET_SOURCES",
    default=[
        *("500farm_machines", "500farm_gpu_stats", "500farm_gpu_stats_v2", "vast_metrics"),
        *("runpod", "runpod_v2", "salad", "clore", "akash", "lambda", "gpurentalprices"),
    ],
)
MARKET_SIMULATION = env.bool("MARKET_SIMULATION", default=False)  # shown, and labelled, where no source can be reached
MARKET_USER_AGENT = env.str("MARKET_USER_AGENT", default=f"GPU-Advisor/1.0 (+{SITE_URL})")
CURRENCY_RATES = env.str("CURRENCY_RATES", default="ecb")  # where a day's rates come from; empty: nowhere
MARKET_SERVE_STALE = True  # readers see the figures of before while new ones are made; tests switch it off
RUNPOD_API_KEY = env.key("RUNPOD_API_KEY")
VAST_API_KEY = env.key("VAST_API_KEY")  # of a host with at least one machine
LAMBDA_API_KEY = env.key("LAMBDA_API_KEY")

# -- The language model: without a key or an address the advisor answers by rules --------------------------------------
OPENAI_API_KEY = env.key("OPENAI_API_KEY")
OPENAI_BASE_URL = env.address("OPENAI_BASE_URL")  # a server of one's own that speaks the same; it may need no key
OPENAI_MODEL = env.str("OPENAI_MODEL", default="gpt-6-luna")
OPENAI_PRICE = env.prices("OPENAI_PRICE")  # USD per million tokens of a model that chat/prices.py does not know
ADVISOR_HAS_MODEL = bool(OPENAI_API_KEY or OPENAI_BASE_URL)

# -- API ---------------------------------------------------------------------------------------------------------------
API_ANONYMOUS_PER_HOUR = env.int("API_ANONYMOUS_PER_HOUR", default=60)  # requests per address without a token
API_TOKEN_PER_HOUR = env.int("API_TOKEN_PER_HOUR", default=3600)

# -- Logs ------------------------------------------------------------------------------------------------------------
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "gpuadvisor.core.logs.RequestIdFilter"}},
    "formatters": {
        "readable": {"()": "gpuadvisor.core.logs.ReadableFormatter"},
        "json": {"()": "gpuadvisor.core.logs.JsonFormatter"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "filters": ["request_id"], "formatter": "readable"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"handlers": ["stderr"], "propagate": False},
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        "httpcore2": {"level": "WARNING"},
        "openai": {"level": "WARNING"},
        "stripe": {"level": "WARNING"},
    },
}
