"""Alerts (R-019): what a host wants to be told, what is the matter, and how it was told."""

from .channels import Channel, ReceiverPause
from .delivery import AlertDelivery, AlertLog, DeliveryAttempt
from .episodes import Episode, EpisodeEvent, HostEvent, Inbox, Mark, Watch
from .rules import Alert, QuietHours, Throttle

__all__ = [
    "Alert",
    "AlertDelivery",
    "AlertLog",
    "Channel",
    "DeliveryAttempt",
    "Episode",
    "EpisodeEvent",
    "HostEvent",
    "Inbox",
    "Mark",
    "QuietHours",
    "ReceiverPause",
    "Throttle",
    "Watch",
]
