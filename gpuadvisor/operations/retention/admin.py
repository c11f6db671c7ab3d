"""The staff's page of how long each table is kept, with the last time that its past rows went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from gpuadvisor.core import clock
from gpuadvisor.core.models import JobRun

from .policies import POLICIES, Policy
from .purging import PREFIX


@dataclass(frozen=True, slots=True)
class Line:
    """One table; `kept_from` is the first day that stays, where one rule holds for all rows. `run` is the last one."""

    policy: Policy
    kept_from: date | None
    run: JobRun | None


def lines() -> list[Line]:
    """Every table of the list, with one query for all runs."""
    names = {policy.name: PREFIX + policy.name if policy.is_ours else policy.by for policy in POLICIES}
    wanted = {name for name in names.values() if name}
    last = JobRun.objects.filter(job__in=wanted).order_by("job", "-slot").distinct("job")
    runs = {run.job: run for run in last}
    today = clock.today()
    return [
        Line(policy, policy.period.before(today) if policy.period else None, runs.get(names[policy.name]))
        for policy in POLICIES
    ]
