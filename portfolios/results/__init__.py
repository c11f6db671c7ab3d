"""What GPUs earned and cost over days: one statement for any number of GPUs, summed where the rows lie."""

from .engine import CHART_DAYS, Fee, results
from .sums import SPARK_DAYS, Day, Recent, Results, Sums, Tariff, Unit

__all__ = ["CHART_DAYS", "SPARK_DAYS", "Day", "Fee", "Recent", "Results", "Sums", "Tariff", "Unit", "results"]
