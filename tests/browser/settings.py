"""As `make run`, and it knows the quick passwords that the factories make."""

from gpuadvisor.settings.dev import *  # noqa: F403
from gpuadvisor.settings.dev import CACHES, PASSWORD_HASHERS
from gpuadvisor.settings.test import CACHES as OF_THE_TESTS

PASSWORD_HASHERS = [*PASSWORD_HASHERS, "django.contrib.auth.hashers.MD5PasswordHasher"]
# The tests store what a worker would: as from a worker, the site hears of it through the cache of both.
CACHES = CACHES | {"pages": OF_THE_TESTS["pages"]}
