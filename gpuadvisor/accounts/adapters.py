"""Where allauth meets our account rules."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.http import Http404, HttpRequest
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from gpuadvisor.core import mail
from gpuadvisor.core.crypto import CannotOpenError, seal, unseal

from .models import User
from .tokens import note_verification_link
from .zones import zone_of

MAX_EMAIL = 254
MFA_PURPOSE = "mfa"
PLAIN_MAIL = "account/email/plain_message.html"


def site_url(path: str) -> str:
    """The address of a page as mails give it: the configured site, whatever host the request named."""
    return f"{settings.SITE_URL.rstrip('/')}{path}"


def random_base32() -> str:
    return base64.b32encode(secrets.token_bytes(20)).decode()


@contextmanager
def speaking_to(user: User | None) -> Iterator[None]:
    """Write in the language and on the clock of `user`; of the request where there is no such user."""
    if user is None:
        yield
        return
    with translation.override(user.language), timezone.override(zone_of(user.timezone)):
        yield


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_safe_url(self, url: str) -> bool:
        """Whether `next` leads back to us; an address that cannot even be read does not."""
        try:
            return bool(super().is_safe_url(url))
        except ValueError:
            return False

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """A new host without a portfolio is led through the first steps; everybody else to the usual page."""
        user = request.user
        if user.is_authenticated and user.is_new:
            return reverse("portfolios:welcome")
        return str(super().get_login_redirect_url(request))

    # -- what may be typed ---------------------------------------------------------------------------------------------
    def clean_email(self, email: str) -> str:
        """One spelling for one mailbox: lower case, no quoted local part, the domain in ASCII."""
        email = User.objects.normalize_email(super().clean_email(email))
        if len(email) > MAX_EMAIL:
            raise ValidationError(_("An e-mail address has at most %(max)d characters."), params={"max": MAX_EMAIL})
        if '"' in email or not email.isascii():
            raise ValidationError(
                _("Enter a valid e-mail address in plain letters, like you@example.com."), code="email"
            )
        return email

    # -- mails ---------------------------------------------------------------------------------------------------------
    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Into the outbox, never to the mail server: a known address may not take longer than an unknown one."""
        user = context.get("user") or User.objects.filter(email=User.objects.normalize_email(email)).first()
        with speaking_to(user):
            context = {
                "request": self.request,
                "email": email,
                "user": user,
                "site_name": settings.SITE_NAME,
                "site_url": settings.SITE_URL,
                **context,
            }
            mail.queue(self.render_mail(template_prefix, email, context))

    def render_mail(
        self, template_prefix: str, email: str, context: dict[str, Any], headers: dict[str, str] | None = None
    ) -> EmailMultiAlternatives:
        """Text and HTML: `<prefix>_mail.html` where a mail has a button, else the text in the frame of every mail."""
        message: EmailMultiAlternatives = super().render_mail(template_prefix, email, context, headers)
        template = f"{template_prefix}_mail.html"
        try:
            get_template(template)
        except TemplateDoesNotExist:
            template = PLAIN_MAIL
        body = message.body.partition("\n--\n")[0].strip()
        message.attach_alternative(
            mail.render_html(template, {**context, "subject": message.subject, "body": body}), "text/html"
        )
        return message

    def send_confirmation_mail(self, request: HttpRequest, emailconfirmation: Any, signup: bool) -> None:
        key = emailconfirmation.key  # read once: each reading signs anew
        user: User = emailconfirmation.email_address.user
        note_verification_link(user, key)
        url = site_url(reverse("account_confirm_email", args=[key]))
        prefix = "account/email/email_confirmation_signup" if signup else "account/email/email_confirmation"
        context = {"user": user, "activate_url": url, "action_url": url}
        self.send_mail(prefix, emailconfirmation.email_address.email, context)

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        if not user.is_demo:
            super().send_password_reset_mail(user, email, context | {"action_url": context["password_reset_url"]})

    def get_reset_password_from_key_url(self, key: str) -> str:
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return site_url(path.replace("UID-KEY", key))

    def send_account_already_exists_mail(self, email: str) -> None:
        url = site_url(reverse("account_reset_password"))
        context = {"password_reset_url": url, "login_url": site_url(reverse("account_login")), "action_url": url}
        self.send_mail("account/email/account_already_exists", email, context)

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        super().send_notification_mail(template_prefix, user, {"user": user, **(context or {})}, email)


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    def get_app(self, request: HttpRequest, provider: str, client_id: str | None = None) -> SocialApp:
        """The keys of a provider; without keys its pages do not exist."""
        try:
            return super().get_app(request, provider, client_id)
        except SocialApp.DoesNotExist as error:
            raise Http404 from error

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        user: User = super().populate_user(request, sociallogin, data)
        name = data.get("name") or " ".join(filter(None, [data.get("first_name"), data.get("last_name")]))
        user.name = "".join(char for char in (name or "") if char.isprintable())[:100].strip()
        return user


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Secrets of authenticator apps and recovery codes are encrypted in the database."""

    def _get_site_name(self) -> str:
        return settings.SITE_NAME

    def encrypt(self, text: str) -> str:
        return seal(text.encode(), purpose=MFA_PURPOSE).decode()

    def decrypt(self, encrypted_text: str) -> str:
        try:
            return unseal(encrypted_text.encode(), purpose=MFA_PURPOSE).decode()
        except CannotOpenError:
            return random_base32()  # SECRET_KEY changed without its fallback: no code may fit; staff has to help
