"""How a host wants a rule."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from ..insights.findings import Rule
from .fields import PlainDecimalField


class RuleForm(forms.Form):
    """One rule: on or off, and its threshold where it has one; an empty threshold means the usual one."""

    is_on = forms.BooleanField(label=_("Check this"), required=False)

    def __init__(self, data: Any = None, *, rule: Rule, threshold: Decimal | None = None, is_on: bool = True) -> None:
        super().__init__(data, auto_id=f"{rule.name}-%s")
        self.rule = rule
        self.initial = {"is_on": is_on, "threshold": None if threshold is None else f"{threshold.normalize():f}"}
        if rule.unit:
            places = 0 if rule.unit in ("h", "days") else 2
            self.fields["threshold"] = PlainDecimalField(
                label=rule.threshold_means,
                required=False,
                low=rule.lowest,
                high=rule.highest,
                places=places,
            )

    def values(self) -> dict[str, Any]:
        """What the service takes; the usual threshold typed out is still the usual one."""
        typed = self.cleaned_data.get("threshold")
        return {
            "rule": self.rule.name,
            "is_on": self.cleaned_data["is_on"],
            "threshold": None if typed is None or typed == self.rule.threshold else typed,
        }
