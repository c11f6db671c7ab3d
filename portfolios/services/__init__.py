"""Writes to a host's fleet, each atomic."""

from .costs import Price, delete_fee, save_costs, set_fee
from .gpus import add_gpu, edit_gpu, follow_models, move_gpu, remove_gpu
from .locks import ReadOnly, refuse_read_only
from .metrics import delete_metric, edit_metric, record_metric
from .portfolios import activate_portfolio, archive_portfolio, create_portfolio, edit_portfolio, restore_portfolio
from .starting import delete_plan, plan_portfolio, put_first_gpus, put_power, start_portfolio

__all__ = [
    "Price",
    "ReadOnly",
    "activate_portfolio",
    "add_gpu",
    "archive_portfolio",
    "create_portfolio",
    "delete_fee",
    "delete_metric",
    "delete_plan",
    "edit_gpu",
    "edit_metric",
    "edit_portfolio",
    "follow_models",
    "move_gpu",
    "plan_portfolio",
    "put_first_gpus",
    "put_power",
    "record_metric",
    "refuse_read_only",
    "remove_gpu",
    "restore_portfolio",
    "save_costs",
    "set_fee",
    "start_portfolio",
]
