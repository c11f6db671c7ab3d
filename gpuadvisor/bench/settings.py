"""As `make run`, with the empty page that the warm dashboard is compared with."""

import os

from gpuadvisor.settings.dev import *  # noqa: F403
from gpuadvisor.settings.dev import LOGGING

os.environ.setdefault("BENCH", "1")
ROOT_URLCONF = "gpuadvisor.bench.urls"
LOGGING["root"]["level"] = "WARNING"
