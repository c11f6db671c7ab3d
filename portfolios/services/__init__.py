"""Writes to a host's fleet, each atomic."""

from .costs import Price, delete_fee, save_costs, set_fee
from .gpus import add_gpu, edit_gpu, follow_models, move_gpu, remove_gpu
from .metrics import delete_metric, edit_metric, record_metric, store_import
from .portfolios import activate_portfolio, archive_portfolio, create_portfolio, edit_portfolio, restore_portfolio

__all__ = [
    "Price",
    "activate_portfolio",
    "add_gpu",
    "archive_portfolio",
    "create_portfolio",
    "delete_fee",
    "delete_metric",
    "edit_gpu",
    "edit_metric",
    "edit_portfolio",
    "follow_models",
    "move_gpu",
    "record_metric",
    "remove_gpu",
    "restore_portfolio",
    "save_costs",
    "set_fee",
    "store_import",
]
