"""Whether this code works on the database that DATABASE_URL names: rows of each kind written, read, and taken away.

`python -m tests.operations.smoke`; for one release the code of the release before passes it on the new tables.
"""

import os
import tempfile
from pathlib import Path

PAGES = (
    *("market:home", "portfolios:dashboard", "portfolios:kpis", "portfolios:analytics", "portfolios:insights"),
    *("portfolios:suggestions", "alerts:index", "chat:index", "accounts:settings", "usersessions_list"),
)


def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gpuadvisor.settings.test")
    import django

    django.setup()
    from django.conf import settings
    from django.db import transaction
    from django.test import Client
    from django.urls import NoReverseMatch, reverse

    from gpuadvisor.core.partitions import ensure_standing_months
    from tests.factories import UserFactory
    from tests.world import one_of_each

    ensure_standing_months()
    settings.DATA_DIR = Path(tempfile.mkdtemp(prefix="gpa-smoke-"))
    seen = 0
    with transaction.atomic():
        host = UserFactory()
        one_of_each(host)
        client = Client()
        client.force_login(host)
        for name in PAGES:
            try:
                address = reverse(name)
            except NoReverseMatch:  # that release calls it something else
                continue
            answer = client.get(address, follow=True)
            assert answer.status_code == 200, f"{address}: {answer.status_code}"
            seen += 1
        transaction.set_rollback(True)
    assert seen > len(PAGES) / 2
    print(f"{seen} pages")  # noqa: T201


if __name__ == "__main__":
    main()
