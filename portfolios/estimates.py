"""`Portfolio.estimated_monthly_revenue`, kept in step with the daily figures and never typed by hand (R-010)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from uuid import UUID

from django.db import connection

from gpuadvisor.core import clock

DAYS = 30
# Each GPU's mean day on record, times 30, summed: a day without a row is left out, not counted as nothing earned.
SQL = """
update portfolios p set estimated_monthly_revenue = e.estimate
from (
  select g.portfolio_id, round(30 * sum(m.mean), 2) as estimate
  from gpu_configurations g cross join lateral (
    select avg(d.revenue) as mean from (
      select sum(daily_revenue) as revenue from performance_metrics
      where gpu_configuration_id = g.id and metric_date between %(first)s and %(today)s
      group by metric_date
    ) d
  ) m
  where g.portfolio_id = any(%(pks)s) and g.is_active
  group by g.portfolio_id
  union all
  select q.id, null from portfolios q where q.id = any(%(pks)s)
    and not exists (select 1 from gpu_configurations g where g.portfolio_id = q.id and g.is_active)
) e
where p.id = e.portfolio_id and p.estimated_monthly_revenue is distinct from e.estimate
"""


def refresh(portfolio_pks: Collection[UUID], *, today: date | None = None) -> int:
    """Estimate a month of these portfolios from their last 30 days; how many estimates changed. One statement.

    Source: docs/economics.md, "Estimated monthly revenue".
    """
    today = today or clock.today()
    with connection.cursor() as cursor:
        cursor.execute(SQL, {"pks": list(portfolio_pks), "first": today - timedelta(days=DAYS - 1), "today": today})
        return int(cursor.rowcount)
