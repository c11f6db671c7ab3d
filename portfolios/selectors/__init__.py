"""Reads over several models for one page; each returns frozen dataclasses."""

from .dashboard import CHARTS_OFFERED, PAGE_SIZE, Dashboard, dashboard
from .sheets import DEFAULT_PERIOD, PERIODS, drill, kpi_sheet, period_of, sheets_by_gpu, sheets_by_portfolio

__all__ = [
    "CHARTS_OFFERED",
    "DEFAULT_PERIOD",
    "PAGE_SIZE",
    "PERIODS",
    "Dashboard",
    "dashboard",
    "drill",
    "kpi_sheet",
    "period_of",
    "sheets_by_gpu",
    "sheets_by_portfolio",
]
