"""The form that names a new token."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.forms import OnceForm
from gpuadvisor.core.validators import visible_text

from .models import ApiToken

LONGEST = ApiToken._meta.get_field("name").max_length


class TokenForm(OnceForm):
    """The name of a token to be made."""

    name = forms.CharField(
        label=_("Name"),
        max_length=LONGEST,
        validators=[visible_text],
        help_text=_("Where you will use it, like “home server”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
