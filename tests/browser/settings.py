"""As `make run`, and it knows the quick passwords that the factories make."""

from gpuadvisor.settings.dev import *  # noqa: F403
from gpuadvisor.settings.dev import PASSWORD_HASHERS

PASSWORD_HASHERS = [*PASSWORD_HASHERS, "django.contrib.auth.hashers.MD5PasswordHasher"]
