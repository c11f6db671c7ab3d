"""Reads over several models for one page; each returns frozen dataclasses."""

from .dashboard import CHARTS_OFFERED, DEFAULT_PERIOD, PAGE_SIZE, PERIODS, Dashboard, dashboard, period_of

__all__ = ["CHARTS_OFFERED", "DEFAULT_PERIOD", "PAGE_SIZE", "PERIODS", "Dashboard", "dashboard", "period_of"]
