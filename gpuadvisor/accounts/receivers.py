"""Keeps a user's row in step with allauth (R-006)."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import email_changed, email_confirmed, password_changed, password_reset, password_set
from django.contrib.auth import update_session_auth_hash
from django.db.models import F
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.http import HttpRequest

from .models import User
from .tokens import forget_reset_link, forget_verification_link


@receiver([post_save, post_delete], sender=EmailAddress)
def copy_verified(instance: EmailAddress, **_: Any) -> None:
    """`email_verified` says whether the account's own address is a verified one."""
    own = EmailAddress.objects.filter(user_id=instance.user_id, email=F("user__email"), verified=True)
    User.objects.filter(pk=instance.user_id).update(email_verified=own.exists())


@receiver(post_save, sender=User)
def copy_verified_after_change(instance: User, created: bool, **_: Any) -> None:
    """The address itself changed: what was verified may be another one."""
    if not created:
        own = EmailAddress.objects.filter(user_id=instance.pk, email=instance.email, verified=True).exists()
        User.objects.filter(pk=instance.pk).exclude(email_verified=own).update(email_verified=own)


@receiver(post_delete, sender=EmailAddress)
def forget_link_of_removed_address(instance: EmailAddress, **_: Any) -> None:
    """A change of address called off: its link is worthless."""
    if not instance.verified:
        User.objects.filter(pk=instance.user_id).update(verification_token=None)


@receiver(email_confirmed)
def forget_used_link(email_address: EmailAddress, **_: Any) -> None:
    forget_verification_link(email_address.user)


@receiver([password_reset, password_changed, password_set])
def forget_used_reset(user: User, **_: Any) -> None:
    forget_reset_link(user)


@receiver(email_changed)
def end_other_sessions(request: HttpRequest, user: User, **_: Any) -> None:
    """Whoever was signed in under the old address is not any more; the browser that confirmed the change stays."""
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    if request.user.is_authenticated and request.user.pk == user.pk:
        request.user.refresh_from_db(fields=["session_epoch", "email"])
        update_session_auth_hash(request, request.user)
