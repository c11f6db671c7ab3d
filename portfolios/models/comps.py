"""Whom a host compares a GPU with."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.fields import known
from gpuadvisor.core.models import BaseModel
from gpuadvisor.core.validators import visible_text
from market.models import GPUModel


class CompSet(BaseModel):
    """Offers of one GPU model on one platform that a host compares with (market.comps.Criteria); empty: any."""

    class Size(models.TextChoices):
        ANY = "", _("Any size")
        SMALL = "1-3", _("1 to 3 GPUs")
        MEDIUM = "4-7", _("4 to 7 GPUs")
        LARGE = "8+", _("8 GPUs and more")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="comp_sets", db_index=False)
    name = models.CharField(_("name"), max_length=60, validators=[visible_text])
    gpu_model = models.ForeignKey(GPUModel, models.CASCADE, related_name="+", verbose_name=_("GPU model"))
    platform = models.SlugField(max_length=40, db_index=False)
    size = models.CharField(_("size of the machine"), max_length=3, blank=True, choices=Size)
    is_verified = models.BooleanField(_("verified"), null=True, blank=True)
    is_datacenter = models.BooleanField(_("in a data center"), null=True, blank=True)
    region = models.CharField(_("region"), max_length=20, blank=True)
    is_default = models.BooleanField(_("used for every GPU of this model"), default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "comp_sets"
        verbose_name = _("comp set")
        constraints = [
            models.UniqueConstraint(
                fields=["user", "name"],
                name="portfolios_compset_name",
                violation_error_message=_("You have a comp set of this name."),
            ),
            models.UniqueConstraint(
                fields=["user", "gpu_model"], condition=Q(is_default=True), name="portfolios_compset_one_default"
            ),
            known("portfolios_compset_size_known", "size", ["", "1-3", "4-7", "8+"], _("Choose one of the sizes.")),
        ]

    def __str__(self) -> str:
        return self.name
