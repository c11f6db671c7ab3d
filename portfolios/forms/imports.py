"""A file of daily results, and what its columns mean."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from portfolios.imports import files
from portfolios.imports.cells import CURRENCY
from portfolios.imports.layout import DATES, DECIMALS, ENCODINGS, FIELDS, FIGURES, KEYS, SEPARATORS, Layout

from .fields import gettext_format

MOST_GPUS = 1_000  # offered for a file without a column of GPUs


class ImportForm(forms.Form):
    file = forms.FileField(
        label=_("CSV file"),
        max_length=255,
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,text/csv"}),
        error_messages={"empty": _("The file is empty (0 bytes).")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].help_text = gettext_format(
            _("At most %(n)s MB. Encoding, separator and dates are recognized."),
            n=settings.MAX_IMPORT_BYTES // 2**20,
        )

    def clean_file(self) -> UploadedFile[bytes]:
        upload: UploadedFile[bytes] = self.cleaned_data["file"]
        if (upload.size or 0) > settings.MAX_IMPORT_BYTES:
            raise ValidationError(files.too_large(), code="size")
        return upload


class ColumnsForm(forms.Form):
    """How a file is written and what its columns mean; filled in with what was found out."""

    encoding = forms.ChoiceField(label=_("Encoding"), choices=list(ENCODINGS.items()))
    separator = forms.ChoiceField(label=_("Separator"), choices=list(SEPARATORS.items()))
    decimal = forms.ChoiceField(label=_("Decimals after"), choices=list(DECIMALS.items()))
    dates = forms.ChoiceField(
        label=_("Dates"), error_messages={"required": _("These dates can be read in two ways: choose one.")}
    )
    fee = forms.ChoiceField(
        label=_("Revenue stands"),
        choices=[("before", _("before the platform's fee")), ("after", _("after the platform's fee"))],
    )
    file_currency = forms.CharField(
        label=_("Money is in"), max_length=4, help_text=_("USD, or a code such as EUR: converted with each day's rate.")
    )
    fixed_gpu = forms.ChoiceField(label=_("GPU of every row"), required=False)
    fixed_platform = forms.ChoiceField(label=_("Platform of every row"), required=False)

    def __init__(
        self, *args: Any, layout: Layout, gpus: dict[UUID, str], platforms: list[tuple[str, str]], **kwargs: Any
    ) -> None:
        self.layout = layout
        initial: dict[str, Any] = {name: layout.columns.get(name, "") for name in FIELDS}
        initial |= {
            "encoding": layout.encoding,
            "separator": layout.separator,
            "decimal": layout.decimal,
            "dates": layout.dates,
            "fee": "after" if layout.is_after_fee else "before",
            "file_currency": layout.currency,
            "fixed_gpu": layout.gpu,
            "fixed_platform": layout.platform,
        }
        super().__init__(*args, **kwargs | {"initial": initial})
        ways = list(DATES.items())
        self.fields["dates"].choices = ways if layout.dates else [("", _("choose")), *ways]  # type: ignore[attr-defined]
        self.fields["fixed_gpu"].choices = [  # type: ignore[attr-defined]
            ("", _("as the column says")),
            *((str(pk), name) for pk, name in list(gpus.items())[:MOST_GPUS]),
        ]
        self.fields["fixed_platform"].choices = [("", _("as the column says")), *platforms]  # type: ignore[attr-defined]
        columns: list[tuple[str, Any]] = [("", _("not in the file"))]
        columns += [(str(place), f"{place + 1}: {heading or '–'}") for place, heading in enumerate(layout.headings)]
        for name, label in FIELDS.items():
            self.fields[name] = forms.TypedChoiceField(
                label=label,
                choices=columns,
                required=name == "date",
                coerce=int,
                empty_value=None,
                error_messages={"required": _("Choose the column that holds the day.")},
            )

    @property
    def writing(self) -> list[Any]:
        return [self[name] for name in ("encoding", "separator", "decimal", "dates")]

    @property
    def money(self) -> list[Any]:
        return [self["fee"], self["file_currency"]]

    @property
    def keys(self) -> list[Any]:
        return [self[name] for name in ("date", "gpu", "fixed_gpu", "platform", "fixed_platform")]

    @property
    def figures(self) -> list[Any]:
        return [self[name] for name in FIELDS if name not in KEYS]

    @property
    def is_written_otherwise(self) -> bool:
        """Whether another encoding or separator was chosen: then the columns are others too."""
        told = {name: self.data.get(name) for name in ("encoding", "separator")}
        return (told["encoding"] in ENCODINGS and told["encoding"] != self.layout.encoding) or (
            told["separator"] in SEPARATORS and told["separator"] != self.layout.separator
        )

    def clean_file_currency(self) -> str:
        code = str(self.cleaned_data["file_currency"]).strip().upper()
        if not CURRENCY.fullmatch(code):
            raise ValidationError(_("Write a currency's code, like USD or EUR."), code="currency")
        return code

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        places = [place for name in FIELDS if (place := data.get(name)) is not None]
        if not self.errors and len(set(places)) < len(places):
            raise ValidationError(_("One column cannot mean two things."), code="twice")
        if data.get("gpu") is None and not data.get("fixed_gpu") and not {"gpu", "fixed_gpu"} & self.errors.keys():
            self.add_error("gpu", _("Choose the column that names the GPU, or the GPU of every row."))
        if (
            data.get("platform") is None
            and not data.get("fixed_platform")
            and not {"platform", "fixed_platform"} & self.errors.keys()
        ):
            self.add_error("platform", _("Choose the column that names the platform, or the platform of every row."))
        if not self.errors and not any(data.get(name) is not None for name in FIGURES):
            raise ValidationError(_("Choose a column for at least one figure."), code="figures")
        return data

    def chosen(self) -> Layout:
        """The layout as it was chosen."""
        data, found = self.cleaned_data, self.layout
        columns = {name: data[name] for name in FIELDS if data.get(name) is not None}
        for name in ("gpu", "platform"):
            if data.get(f"fixed_{name}"):
                columns.pop(name, None)
        return Layout.from_json(
            found.as_json()
            | {
                "decimal": data["decimal"],
                "dates": data["dates"],
                "columns": columns,
                "gpu": data["fixed_gpu"],
                "platform": data["fixed_platform"],
                "currency": data["file_currency"],
                "is_after_fee": data["fee"] == "after",
            }
        )
