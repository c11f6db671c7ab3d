"""What the market tells the apps above it, which it does not know."""

from django.dispatch import Signal

gpu_models_changed = Signal()  # `pks` of the models; sent in the transaction that changed them
market_refreshed = Signal()  # after a refresh stored figures that are new
