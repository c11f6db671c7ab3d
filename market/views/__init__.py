"""Doorways for people, all of them public."""

from .model import gpu
from .overview import home, index, strip

__all__ = ["gpu", "home", "index", "strip"]
