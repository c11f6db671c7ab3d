"""Query parameters: what is unknown, given twice or badly written is refused by name (reliability f)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema, model_validator

from gpuadvisor.core.validators import is_forbidden

from .paging import DEFAULT_LIMIT, LONGEST, MAX_LIMIT
from .problems import FieldError, Problem

DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
CLOCK = r"(?!24)[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
MOMENT = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{CLOCK}(Z|[+-][0-9]{{2}}:[0-9]{{2}})\Z")
EARLIEST, LATEST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def _plain_digits(value: Any) -> Any:
    """`1_000` and digits of other scripts are numbers to Python, not to a reader."""
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,9}", value, re.ASCII):
        raise ValueError("A whole number in plain digits.")
    return value


def read_moment(value: Any) -> Any:
    """An instant with its zone, or a day, which stands for its first moment in UTC.

    Raises: ValueError for every other text.
    """
    if not isinstance(value, str):
        return value
    try:
        if DAY.match(value):
            moment = datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC)
        elif MOMENT.match(value):
            moment = datetime.fromisoformat(value)
        else:
            raise ValueError
    except ValueError:
        raise ValueError("A day (2026-11-22) or a moment with its zone (2026-11-22T10:00:00Z; + as %2B).") from None
    if not EARLIEST <= moment <= LATEST:
        raise ValueError("Between 2020 and 2100.")
    return moment.astimezone(UTC)


def _line(value: Any) -> Any:
    if isinstance(value, str) and any(is_forbidden(character, multiline=False) for character in value):
        raise ValueError("This text contains characters that are not allowed.")
    return value


Whole = Annotated[int, BeforeValidator(_plain_digits)]
Moment = Annotated[datetime, BeforeValidator(read_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
Text = Annotated[str, BeforeValidator(_line)]


class Filters(BaseModel):
    """The query of one endpoint: nothing but the fields of its class, each once."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def only_known_ones(cls, values: Any, info: ValidationInfo) -> Any:
        request = (info.context or {}).get("request")
        if request is not None:
            known = ", ".join(cls.model_fields)
            errors = [
                FieldError(field=name[:60], code="unknown", message=f"Known parameters: {known}.")
                for name in request.GET
                if name not in cls.model_fields
            ] + [
                FieldError(field=name, code="repeated", message="Give it once.")
                for name, given in request.GET.lists()
                if name in cls.model_fields and len(given) > 1
            ]
            if errors:
                raise Problem(400, f"{errors[0]['field']}: {errors[0]['message']}", errors=errors[:20])
        return values


class PagedFilters(Filters):
    """A query whose answer comes in pages."""

    limit: Whole = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="Rows of one page.")
    cursor: str | None = Field(
        None, max_length=LONGEST, description="`next_cursor` of the page before; empty for the first."
    )


def field_errors(found: list[dict[str, Any]], names: set[str]) -> list[FieldError]:
    """pydantic's errors in the words of a problem; `names` are the parameters that were sent."""
    errors = []
    for error in found[:20]:
        place = [str(part) for part in error["loc"][1:]]
        field = next((part for part in place if part in names), ".".join(place))
        code = "invalid" if error["type"] == "value_error" else error["type"]
        message = str(error["msg"]).removeprefix("Value error, ")
        if code in ("too_long", "string_too_long"):  # every parameter is a text or a number, none a list of items
            code, message = "too_long", f"Value should have at most {error['ctx']['max_length']} characters"
        errors.append(FieldError(field=field, code=code, message=message))
    return errors
