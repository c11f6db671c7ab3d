"""What the portfolios tell the apps above them."""

from django.dispatch import Signal

demo_loaded = Signal()  # user: the demo host, whose figures and advice are up to date
figures_merged = Signal()  # after new samples and days of hosts were stored
