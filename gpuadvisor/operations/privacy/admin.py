"""Exports and deletions of accounts, to look at: no file is offered here, it is its owner's alone."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.admin import ReadOnlyAdmin

from ..models import Erasure, Export


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin):
    list_display = ("asked_at", "user", "state", "done_rows", "total_rows", "attempts", "ready_at", "bytes", "error")
    list_filter = ("state", "asked_at")
    search_fields = ("user__email",)
    list_select_related = ("user",)
    ordering = ("-asked_at",)
    fields = (
        *("user", "state", "done_rows", "total_rows", "bytes", "attempts", "error"),
        *("asked_at", "ready_at", "expires_at", "lease_until"),
    )


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin):
    """What it waits for stands in `error`: Stripe, a mail, or that another superuser is missing."""

    list_display = ("account", "user", "state", "asked_at", "due_at", "attempts", "next_at", "done_at", "error")
    list_filter = ("state", "due_at")
    search_fields = ("account", "user__email")
    list_select_related = ("user",)
    ordering = ("-asked_at",)
    fieldsets: ClassVar = (
        (None, {"fields": ("account", "user", "state", "error")}),
        (_("When"), {"fields": ("asked_at", "due_at", "undone_at", "done_at", "attempts", "next_at")}),
        (_("What is done of it"), {"fields": ("steps",)}),
    )
