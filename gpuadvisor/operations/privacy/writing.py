"""A row as JSON and as CSV, and what a reader of them must know."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from gpuadvisor.core.ids import uuid7
from market.sheets import cell

from .inventory import Held, is_stripes
from .tables import Owner

HIDDEN = "secret"  # a name in what Stripe told that holds a key to something


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


PLAIN: dict[type, Callable[[Any], Any]] = {
    Decimal: str,
    UUID: str,
    datetime: _moment,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: timedelta.total_seconds,
}
IN_A_CELL: dict[type, Callable[[Any], Any]] = {
    **PLAIN,
    str: cell,
    bool: lambda value: "true" if value else "false",
    dict: lambda value: cell(json.dumps(value, ensure_ascii=False, default=str)),
    list: lambda value: cell(json.dumps(value, ensure_ascii=False, default=str)),
}


class Writer:
    """Turns the rows of one table into text for both files."""

    def __init__(self, one: Held) -> None:
        self.names = [column.attname for column in one.columns("told")]
        self.is_stripes = is_stripes(one) or one.table.label == "billing.StripeEvent"
        self._sheet = io.StringIO()
        self._csv = csv.writer(self._sheet)

    def heading(self) -> tuple[str, str]:
        self._csv.writerow(self.names)
        return "[\n", self._taken()

    def row(self, values: list[Any], *, is_first: bool) -> str:
        """The row in JSON; its CSV waits for `sheet`."""
        if self.is_stripes:
            values = [without_secrets(value) for value in values]
        plain = [to(value) if (to := PLAIN.get(type(value))) else value for value in values]
        self._csv.writerow([to(value) if (to := IN_A_CELL.get(type(value))) else value for value in values])
        text = json.dumps(dict(zip(self.names, plain, strict=True)), ensure_ascii=False, default=str)
        return text if is_first else f",\n{text}"

    def sheet(self) -> str:
        return self._taken()

    def _taken(self) -> str:
        text = self._sheet.getvalue()
        self._sheet.seek(0)
        self._sheet.truncate()
        return text


END = "\n]\n"


def without_secrets(value: Any) -> Any:
    """What Stripe told, without the keys that let somebody act on it."""
    if isinstance(value, dict):
        return {name: without_secrets(part) for name, part in value.items() if not str(name).endswith(HIDDEN)}
    if isinstance(value, list):
        return [without_secrets(part) for part in value]
    return value


# -- The note --------------------------------------------------------------------------------------------------------
def schema(tables: list[tuple[Held, int]], owner: Owner, *, made_at: datetime, begun_at: datetime) -> str:
    """What each file and column holds, for programs and for people."""
    return json.dumps(
        {
            "account": str(owner.pk),
            "read_from": _moment(begun_at),
            "read_until": _moment(made_at),
            "id": str(uuid7()),
            "tables": [_of(one, rows) for one, rows in tables],
        },
        ensure_ascii=False,
        indent=1,
    )


def _of(one: Held, rows: int) -> dict[str, Any]:
    said: dict[str, Any] = {
        "table": one.name,
        "holds": str(one.model._meta.verbose_name_plural),
        "rows": rows,
        "files": [f"json/{one.name}.json", f"csv/{one.name}.csv"] if rows else [],
        "columns": [
            {"name": column.attname, "type": TYPES.get(column.get_internal_type(), "text")}
            | ({"of": column.related_model._meta.db_table} if column.is_relation else {})
            | ({"means": str(column.help_text)} if column.help_text else {})
            for column in one.columns("told")
        ],
        "left_out": [column.attname for column in one.columns("secret")],
        "after_deletion": "kept" if one.table.is_kept else "deleted",
    }
    return said | ({"why": str(one.table.why)} if one.table.is_kept else {})


TYPES = {
    "DateTimeField": "moment, ISO 8601, UTC",
    "DateField": "day, UTC",
    "TimeField": "time of day",
    "DecimalField": "decimal number; a string in JSON, so that no digit is lost",
    "FloatField": "number",
    "IntegerField": "number",
    "PositiveIntegerField": "number",
    "PositiveSmallIntegerField": "number",
    "SmallIntegerField": "number",
    "BigIntegerField": "number",
    "PositiveBigIntegerField": "number",
    "BigAutoField": "number",
    "AutoField": "number",
    "BooleanField": "true or false",
    "JSONField": "JSON",
    "ArrayField": "list; JSON in a CSV cell",
    "UUIDField": "key",
    "ForeignKey": "key of a row of another table",
    "OneToOneField": "key of a row of another table",
}


def readme(tables: list[tuple[Held, int]], *, site: str, made_at: datetime) -> str:
    """The page that comes first."""
    lines = [
        _("Everything that %(site)s holds of your account, read on %(day)s (UTC).")
        % {"site": site, "day": f"{made_at:%Y-%m-%d %H:%M}"},
        "",
        _("json/ and csv/ hold the same rows, one file for each table; schema.json says what each column means."),
        _("Empty is unknown, never 0. Sums are US dollars unless a column names a currency; moments and days are UTC."),
        _("In CSV a quote (') stands before text that a spreadsheet would run as a formula."),
        _("Rows that changed while this was made may stand as they were before or after."),
        "",
        _("Not in here, as whoever has it could act for you: your password's hash, keys of API tokens, secrets of"
          " authenticator apps and passkeys, sessions, addresses and secrets of alert channels, links of mails."),
        _("Names of staff who helped you are not in here either; what they did and when is."),
        "",
        _("Kept when you delete your account, without you in it:"),
        *(f"- {one.name}: {one.table.why}" for one, _rows in tables if one.table.is_kept and not _is_work(one)),
        "",
        _("Rows by table:"),
        *(f"- {one.name}: {rows}" for one, rows in tables if rows),
    ]  # fmt: skip
    return "\n".join(str(line) for line in lines) + "\n"


def _is_work(one: Held) -> bool:
    return one.table.owner in ("by", "decided_by")
