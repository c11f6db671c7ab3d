"""What staff type."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from .impersonating import SHORTEST_REASON


class ReasonForm(forms.Form):
    """Why a member of staff looks at the site as a host."""

    reason = forms.CharField(
        label=_("Why"),
        min_length=SHORTEST_REASON,
        max_length=200,
        help_text=_("A sentence. The host reads it on their page “Privacy”, with the time."),
        widget=forms.TextInput(attrs={"size": 80, "autofocus": True}),
    )
