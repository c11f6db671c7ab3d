"""Whom a host is compared with: the offers of one GPU model on one platform that fit some criteria, now and by the day.

Live and simulated offers never meet in one figure; each function answers for one origin.
"""

from .criteria import SIZES, Criteria, size_of
from .days import DayReport, comp_days, make_comp_days, mean
from .now import Comp, advised_on, comps_now, sources_word
from .standing import Machine, machines_seen

__all__ = [
    "SIZES",
    "Comp",
    "Criteria",
    "DayReport",
    "Machine",
    "advised_on",
    "comp_days",
    "comps_now",
    "machines_seen",
    "make_comp_days",
    "mean",
    "size_of",
    "sources_word",
]
