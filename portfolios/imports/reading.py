"""A file becomes staged rows: slices of lines, each a transaction that also says how far the file is read."""

from __future__ import annotations

import json
import time
from datetime import date
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _

from gpuadvisor.core import clock
from market import currencies
from market.models import Platform

from ..models import GPUConfiguration, MetricImport
from . import days, files
from .cells import Names, Rows, shorten
from .layout import Layout, UnreadableFile
from .lines import Lines, rows_of

SLICE_LINES = 20_000
SLICE_SECONDS = 5.0
CAN_TAKE = ("active", "setup")  # states of portfolios whose GPUs may get results: a plan counts toward nothing
COLUMNS = "line, gpu_configuration_id, platform, metric_date, figures, outcome, reason"


def names_of(user_id: Any) -> Names:
    """What this host's files may call GPUs and platforms."""
    rows = GPUConfiguration.objects.active().filter(portfolio__user=user_id, portfolio__state__in=CAN_TAKE)
    gpus = list(rows.values_list("pk", "custom_name", "gpu_model__name", "portfolio__closed_by_plan_at"))
    return Names(
        [(pk, own, model) for pk, own, model, _closed in gpus],
        Platform.objects.hostable().values_list("slug", "name"),
        read_only={pk for pk, _own, _model, closed in gpus if closed},
    )


@lru_cache(maxsize=10_000)
def _worth(currency: str, day: date, _today: date) -> tuple[Decimal, date] | None:
    found = currencies.usd_rate(currency, day)
    return None if found is None or found.is_old else (found.usd_per_unit, found.day)


class Reader:
    """Reads one import on from where it stands."""

    def __init__(self, job: MetricImport) -> None:
        self.layout = Layout.from_json(job.settings)
        today = clock.today()
        _worth.cache_clear()  # a rate may have come
        self.rows = Rows(self.layout, names_of(job.user_id), today, lambda currency, day: _worth(currency, day, today))
        try:
            self.file = files.path_of(job.user_id, job.pk).open("rb")
        except FileNotFoundError:
            raise UnreadableFile(_("The file is gone: upload it again."), code="gone") from None
        is_begun = job.position > 0
        self.lines = Lines(
            self.file,
            self.layout,
            position=job.position if is_begun else self.layout.first,
            line=job.settings.get("next_line", self.layout.line) if is_begun else self.layout.line,
        )
        self._found = rows_of(self.lines, self.layout.separator)
        if not is_begun:
            next(self._found, None)  # the heading

    def close(self) -> None:
        self.file.close()

    def slice(self, cursor: Any, job: MetricImport) -> bool:
        """Stage the next lines; whether that was the last of them. Moves `job`, which the caller stores."""
        cursor.execute(
            "create temp table if not exists import_lines (line int, gpu_configuration_id uuid, platform text,"
            " metric_date date, figures jsonb, outcome text, reason text) on commit drop"
        )
        cursor.execute("truncate import_lines")
        until, lines = time.monotonic() + SLICE_SECONDS, []
        for line, cells in islice(self._found, SLICE_LINES):
            lines.append(self._line(line, cells))  # it may ask for a rate, which no COPY allows
            if len(lines) % 500 == 0 and time.monotonic() > until:
                break
        number = len(lines)
        if number:
            with cursor.copy(f"copy import_lines ({COLUMNS}) from stdin") as copy:
                copy.write("".join(lines))
            days.settle(cursor, "import_lines")
            cursor.execute(
                f"insert into metric_import_rows (id, batch_id, {COLUMNS})"  # noqa: S608 - nothing but our own names
                " select uuidv7(), %s, l.line, l.gpu_configuration_id, l.platform, l.metric_date, l.figures,"
                " coalesce(d.outcome, l.outcome), l.reason"
                " from import_lines l left join import_days d on d.line = l.line",
                [job.pk],
            )
        job.position, job.settings["next_line"] = self.lines.position, self.lines.number + 1
        job.rows_read += number
        return number == 0 or self.lines.position >= job.body_bytes

    def _line(self, line: int, cells: list[str]) -> str:
        """A staged row as COPY takes it."""
        try:
            gpu, platform, day, told = self.rows.read(cells)
        except ValueError as error:
            text = shorten(self.layout.separator.join(cells), 200)
            return f"{line}\t\\N\t\t\\N\t{_copied(json.dumps({'row': text}))}\trefused\t{_copied(str(error)[:500])}\n"
        return f"{line}\t{gpu}\t{platform}\t{day}\t{_copied(json.dumps(told))}\t\t\n"


def _copied(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def finish(job: MetricImport) -> None:
    """Refuse days that stand twice in the file, the second time, and count."""
    with connection.cursor() as cursor:
        cursor.execute(
            "update metric_import_rows r set outcome = 'refused', reason = replace(%s, '0', d.first::text),"
            " figures = jsonb_build_object('row', concat_ws(', ', r.metric_date, r.gpu_configuration_id, r.platform))"
            " from (select id, line, first_value(line) over (partition by gpu_configuration_id, platform, metric_date"
            "   order by line) as first from metric_import_rows where batch_id = %s and outcome <> 'refused') d"
            " where r.id = d.id and d.line > d.first",
            [_("Line %(line)s has this GPU, platform and day already.") % {"line": "0"}, job.pk],
        )
        count(cursor, job)
    if not job.rows_read:
        raise UnreadableFile(_("The file has a heading but no rows."), code="empty")


def count(cursor: Any, job: MetricImport) -> None:
    """Bring the counts in line with the staged rows."""
    cursor.execute("select outcome, count(*) from metric_import_rows where batch_id = %s group by 1", [job.pk])
    counts = dict(cursor.fetchall())
    for name in ("new", "changed", "unchanged", "refused"):
        setattr(job, f"rows_{name}", counts.get(name, 0))
