"""The host's account (R-001 to R-008)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _
from django_htmx.middleware import HtmxDetails

from gpuadvisor.core.fields import known
from gpuadvisor.core.ids import uuid7
from gpuadvisor.core.models import BaseModel
from gpuadvisor.core.validators import visible_text

from .preferences import DEFAULTS, validate_preferences
from .zones import validate_timezone


class Tier(models.TextChoices):
    FREE = "free", _("Free")
    INDIVIDUAL = "individual", _("Individual")
    PROFESSIONAL = "professional", _("Professional")
    ENTERPRISE = "enterprise", _("Enterprise")


class UserManager(BaseUserManager["User"]):
    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """Addresses are stored in lower case: one mailbox, one account, in any spelling."""
        return (email or "").strip().lower()

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A new, unverified account.

        Raises: ValueError without an e-mail address.
        """
        if not self.normalize_email(email):
            raise ValueError("an account needs an e-mail address")
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A member of staff; whoever has the console vouches for the address, so it counts as verified."""
        with transaction.atomic():
            user = self.create_user(email, password, **{"is_staff": True, "is_superuser": True, **fields})
            user.emailaddress_set.create(email=user.email, verified=True, primary=True)  # type: ignore[attr-defined]
        user.email_verified = True
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=self.normalize_email(username))


class User(AbstractBaseUser, PermissionsMixin):
    """A host, or a member of staff."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(
        _("e-mail address"),
        max_length=254,
        unique=True,
        error_messages={"unique": _("A user with this e-mail address exists.")},
    )
    password = models.CharField(_("password"), max_length=128, db_column="password_hash")
    name = models.CharField(_("name"), max_length=100, blank=True, validators=[visible_text])
    timezone = models.CharField(_("time zone"), max_length=64, default="UTC", validators=[validate_timezone])
    language = models.CharField(_("language"), max_length=10, default="en-us")
    preferences = models.JSONField(_("preferences"), default=dict, blank=True, validators=[validate_preferences])
    subscription_tier = models.CharField(
        _("plan"),
        max_length=20,
        choices=Tier,
        default=Tier.FREE,
        editable=False,
        help_text=_("Only billing writes it."),
    )
    created_at = models.DateTimeField(_("member since"), auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    email_verified = models.BooleanField(_("e-mail verified"), default=False, editable=False)
    verification_token = models.CharField(max_length=64, null=True, blank=True, editable=False)
    reset_token = models.CharField(max_length=64, null=True, blank=True, editable=False)
    reset_expires = models.DateTimeField(null=True, blank=True, editable=False)

    is_active = models.BooleanField(_("active"), default=True)
    is_staff = models.BooleanField(_("staff"), default=False)
    is_demo = models.BooleanField(
        _("demo account"), default=False, editable=False, help_text=_("May look, not change.")
    )
    session_epoch = models.PositiveIntegerField(default=0, editable=False)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = []

    objects = UserManager()

    # Written by `update()` or by name alone, so that a page which saves a user it read earlier takes nothing back:
    # the plan is billing's, the rest is kept in step with allauth and the session store.
    GUARDED = frozenset(
        {"subscription_tier", "email_verified", "verification_token", "reset_token", "reset_expires", "session_epoch"}
    )

    class Meta:
        db_table = "users"
        verbose_name = _("user")
        verbose_name_plural = _("users")
        indexes = [
            models.Index(fields=["subscription_tier", "created_at"], name="accounts_user_tier_created"),
            models.Index(
                fields=["verification_token"],
                condition=Q(verification_token__isnull=False),
                name="accounts_user_verification",
            ),
        ]
        constraints = [
            models.CheckConstraint(  # so that the plain unique key is one over all spellings
                condition=Q(email=Lower("email")),
                name="accounts_user_email_lower",
                violation_error_message=_("Write the e-mail address in lower case."),
            ),
            known(
                "accounts_user_subscription_tier_known", "subscription_tier", Tier.values, _("Choose one of the plans.")
            ),
        ]

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        super().clean()
        self.email = type(self).objects.normalize_email(self.email)
        if self.language not in dict(settings.LANGUAGES):
            raise ValidationError({"language": _("Choose a language from the list.")})

    def save(self, *args: Any, **kwargs: Any) -> None:
        """A plain save of a stored user leaves the GUARDED columns alone; `update_fields` that names one writes it."""
        if not self._state.adding and not args and not kwargs.get("force_insert") and not kwargs.get("update_fields"):
            loaded = set(self.__dict__)
            kwargs["update_fields"] = [
                field.attname
                for field in self._meta.concrete_fields
                if field.attname in loaded and not field.primary_key and field.name not in self.GUARDED
            ]
        super().save(*args, **kwargs)

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.name or self.email.partition("@")[0]

    def preference(self, key: str) -> Any:
        """The chosen value, else the default of `preferences.DEFAULTS`."""
        return self.preferences.get(key, DEFAULTS[key])

    @property
    def is_new(self) -> bool:
        """Whether the first steps are still to be shown to a host: not taken or left, and no portfolio yet."""
        return not (self.is_demo or self.is_staff or self.preference("welcomed") or self.portfolios.exists())

    @property
    def theme(self) -> str:
        return str(self.preference("theme"))

    @property
    def currency(self) -> str:
        return str(self.preference("currency"))

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        # The epoch is raised where a session's copy in Redis could not be reached: every older session then ends.
        return salted_hmac(
            "accounts.session", f"{self.password}:{self.session_epoch}", secret=secret, algorithm="sha256"
        ).hexdigest()


def read_only() -> list[str]:
    return ["read"]


class ApiToken(BaseModel):
    """A key for programs (R-061): only its SHA-256 is kept, the key itself is shown once."""

    user = models.ForeignKey(User, models.CASCADE, related_name="api_tokens")
    name = models.CharField(_("name"), max_length=60, validators=[visible_text])
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=12, editable=False, help_text=_("How the key begins, to tell keys apart."))
    scopes = ArrayField(
        models.CharField(max_length=20), default=read_only, db_default=["read"], help_text=_("What it may do.")
    )
    portfolio_ids = ArrayField(
        models.UUIDField(), default=list, blank=True, db_default=[], help_text=_("Which portfolios; empty: all.")
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "api_tokens"
        verbose_name = _("API token")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "name"],
                condition=Q(revoked_at__isnull=True),
                name="accounts_apitoken_name_per_user",
                violation_error_message=_("You have a token of this name."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"


class StaffConsent(BaseModel):
    """A host lets staff read what is theirs alone (talk with the advisor) until then, to help; it can be taken back."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    given_at = models.DateTimeField()
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "staff_consents"
        verbose_name = _("consent to staff")
        verbose_name_plural = _("consents to staff")
        indexes = [models.Index(fields=["user", "-until"], name="accounts_consent_user")]

    def __str__(self) -> str:
        return f"{self.user_id} until {self.until:%Y-%m-%d %H:%M}"


class AppRequest(HttpRequest):
    """The request as every view behind the sign-in sees it; for annotations only."""

    user: User
    htmx: HtmxDetails
