"""What a host types about those compared with."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import get_language
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core.forms import OnceForm
from gpuadvisor.core.validators import visible_text
from market.comps import Criteria
from market.models import GPUModel, Platform
from market.places import CONTINENTS, COUNTRIES, region_name
from market.sources import LIVE_PLATFORMS

from ..models import CompSet, GPUConfiguration
from .host import find_model

ANY, YES, NO = "", "yes", "no"
FLAGS: dict[str, bool | None] = {ANY: None, YES: True, NO: False}
WORDS = {flag: word for word, flag in FLAGS.items()}


class CompSetForm(OnceForm):
    name = forms.CharField(label=_("Name"), max_length=60, validators=[visible_text])
    gpu_model = forms.CharField(
        label=_("GPU model"),
        max_length=80,
        help_text=_("Type a part of the name, then choose."),
        widget=forms.TextInput(attrs={"list": "gpu-models", "autocomplete": "off", "spellcheck": "false"}),
    )
    platform = forms.ChoiceField(label=_("Platform"))
    size = forms.ChoiceField(label=_("Size of the machine"), required=False, choices=CompSet.Size.choices)
    is_verified = forms.ChoiceField(
        label=_("Verification"),
        required=False,
        choices=[(ANY, _("Any")), (YES, _("Verified only")), (NO, _("Not verified only"))],
    )
    is_datacenter = forms.ChoiceField(
        label=_("Data center"),
        required=False,
        choices=[(ANY, _("Any")), (YES, _("In a data center only")), (NO, _("Elsewhere only"))],
    )
    region = forms.ChoiceField(label=_("Region"), required=False)
    is_default = forms.BooleanField(
        label=_("Use it for every GPU of this model"),
        required=False,
        help_text=_("A GPU with a comp set of its own keeps that."),
    )

    def __init__(self, *args: Any, comp_set: CompSet | None = None, user: User, **kwargs: Any) -> None:
        super().__init__(*args, user=user, **kwargs)
        platforms = list(Platform.objects.filter(slug__in=LIVE_PLATFORMS).order_by("name").values_list("slug", "name"))
        if comp_set:
            self.initial = {**_initial(comp_set), **self.initial}
            if comp_set.platform not in dict(platforms):
                platforms.append((comp_set.platform, comp_set.platform))
        elif "vast" in dict(platforms):
            self.fields["platform"].initial = "vast"
        self.fields["platform"].choices = platforms  # type: ignore[attr-defined]
        self.fields["region"].choices = _regions()  # type: ignore[attr-defined]

    def clean_gpu_model(self) -> GPUModel:
        return find_model(self.cleaned_data["gpu_model"])

    def values(self) -> dict[str, Any]:
        """What the services take."""
        data = self.cleaned_data
        flags = {name: FLAGS[data[name]] for name in ("is_verified", "is_datacenter")}
        return {name: data[name] for name in ("name", "gpu_model", "platform", "size", "region", "is_default")} | flags

    def criteria(self) -> Criteria | None:
        """What the form asks for, as far as it is filled in; None without a known GPU model and platform."""
        self.is_valid()
        data = self.cleaned_data
        if not data.get("gpu_model") or not data.get("platform"):
            return None
        return Criteria(
            data["gpu_model"].name,
            data["platform"],
            data.get("size", ""),
            FLAGS[data.get("is_verified", ANY)],
            FLAGS[data.get("is_datacenter", ANY)],
            data.get("region", ""),
        )


def _initial(comp_set: CompSet) -> dict[str, Any]:
    return {
        "name": comp_set.name,
        "gpu_model": comp_set.gpu_model.name,
        "platform": comp_set.platform,
        "size": comp_set.size,
        "is_verified": WORDS[comp_set.is_verified],
        "is_datacenter": WORDS[comp_set.is_datacenter],
        "region": comp_set.region,
        "is_default": comp_set.is_default,
    }


def initial_of(criteria: Criteria) -> dict[str, Any]:
    """Criteria as a new comp set begins with them."""
    return {
        "gpu_model": criteria.gpu_model,
        "platform": criteria.platform,
        "size": criteria.size,
        "is_verified": WORDS[criteria.is_verified],
        "is_datacenter": WORDS[criteria.is_datacenter],
        "region": criteria.region,
    }


def _regions() -> list[Any]:
    language = get_language() or "en"
    named = {region: region_name(region, language) for region in (*CONTINENTS, *COUNTRIES)}

    def group(regions: Any) -> list[tuple[str, str]]:
        return sorted(((region, named[region]) for region in regions), key=lambda pair: pair[1])

    return [
        ("", _now("Anywhere")),
        (_now("Continents"), group(CONTINENTS)),
        (_now("Countries"), group(COUNTRIES)),
    ]


class AssignForm(forms.Form):
    comp_set = forms.ModelChoiceField(
        label=_("Compare it with"),
        queryset=CompSet.objects.none(),
        required=False,
        empty_label=_("Chosen automatically"),
        help_text=_("Automatically: the default of its model, else offers with the traits of this GPU."),
    )

    def __init__(self, *args: Any, gpu: GPUConfiguration, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = CompSet.objects.filter(user=user, gpu_model=gpu.gpu_model_id).order_by("name")
        self.fields["comp_set"].queryset = mine  # type: ignore[attr-defined]
        self.initial = {"comp_set": gpu.comp_set_id, **self.initial}
