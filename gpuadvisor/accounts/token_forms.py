"""The form of a new token: its name, what it may do, for which portfolios."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.forms import OnceForm
from gpuadvisor.core.validators import visible_text

from . import api_tokens
from .models import ApiToken, User

LONGEST = ApiToken._meta.get_field("name").max_length


class TokenForm(OnceForm):
    """What a token to be made is called and may do."""

    MAY: ClassVar = {
        "read": (_("Read the market and the list of your GPUs"), ("read",)),
        "both": (_("Read, and send your figures"), ("read", "ingest")),
        "ingest": (_("Send your figures, nothing else"), ("ingest",)),
        "alerts_read": (_("Read, your alerts too"), ("read", "alerts.read")),
        "alerts": (_("Read, and change your alerts"), ("read", "alerts.read", "alerts")),
        "all": (_("Read, send your figures, and change your alerts"), ("read", "ingest", "alerts.read", "alerts")),
    }

    name = forms.CharField(
        label=_("Name"),
        max_length=LONGEST,
        validators=[visible_text],
        help_text=_("Where you will use it, like “home server”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    may = forms.ChoiceField(
        label=_("It may"), required=False, choices=[(name, words) for name, (words, _scopes) in MAY.items()]
    )
    portfolios = forms.TypedMultipleChoiceField(
        label=_("Only for these portfolios"),
        required=False,
        coerce=UUID,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None chosen: all, also those that you make later."),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, user=user, **kwargs)
        choices = [(str(pk), name) for pk, name in api_tokens.portfolio_choices(user)]
        if choices:
            self.fields["portfolios"].choices = choices  # type: ignore[attr-defined]
        else:
            del self.fields["portfolios"]

    def clean_may(self) -> tuple[str, ...]:
        """The scopes; without a choice it may read."""
        return self.MAY[self.cleaned_data["may"] or "read"][1]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("portfolios") and "alerts.read" in data.get("may", ()):
            self.add_error("portfolios", _("Alerts belong to the whole account: choose none, or a token without them."))
        return data
