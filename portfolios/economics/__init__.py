"""What GPUs earn and cost: plain values in, plain values out; docs/economics.md works each formula through.

Unknown is None and stays None: what nobody measured is never taken for zero.
"""

from .energy import HOURS_PER_DAY, energy_cost, energy_kwh, hourly_cost, hourly_kwh, rented_hours
from .market import Position, PricePosition, occupancy_index, price_percentile, price_position, yield_index
from .profit import (
    allocated,
    break_even_electricity,
    fixed_daily,
    gross_revenue,
    hour_net,
    margin,
    net,
    payback_left,
    payback_months,
    platform_fee,
    platform_take,
)
from .rates import (
    average_rented_rate,
    break_even_rate,
    coverage,
    floor_rate,
    occupancy,
    pace,
    revenue_per_available_hour,
    revenue_per_gpu_day,
    uptime,
)
from .sums import (
    Change,
    Likeness,
    Total,
    Window,
    change,
    like_with_like,
    total,
    weighted_utilization,
    windows,
)
from .waiting import Waiting, time_to_rent

__all__ = [
    "HOURS_PER_DAY",
    "Change",
    "Likeness",
    "Position",
    "PricePosition",
    "Total",
    "Waiting",
    "Window",
    "allocated",
    "average_rented_rate",
    "break_even_electricity",
    "break_even_rate",
    "change",
    "coverage",
    "energy_cost",
    "energy_kwh",
    "fixed_daily",
    "floor_rate",
    "gross_revenue",
    "hour_net",
    "hourly_cost",
    "hourly_kwh",
    "like_with_like",
    "margin",
    "net",
    "occupancy",
    "occupancy_index",
    "pace",
    "payback_left",
    "payback_months",
    "platform_fee",
    "platform_take",
    "price_percentile",
    "price_position",
    "rented_hours",
    "revenue_per_available_hour",
    "revenue_per_gpu_day",
    "time_to_rent",
    "total",
    "uptime",
    "weighted_utilization",
    "windows",
    "yield_index",
]
