"""`make bench [SCALE=100] [ONLY=P1,P2]`."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from pathlib import Path

from gpuadvisor.servers.attach import prepare_environment
from gpuadvisor.servers.errors import Refused


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure against limits of the same run.")
    parser.add_argument("--scale", type=int, default=10, help="million daily metrics in the large database (10 or 100)")
    ids = "P1,P2,P3,P4,P5,P6,P7,P8,P9,P10,P11,P14,R-054,import"
    parser.add_argument("--only", default="", help=f"ids, comma separated: {ids}")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    only = {name for name in given.only.split(",") if name}
    os.environ["DJANGO_SETTINGS_MODULE"] = "gpuadvisor.bench.settings"
    os.environ["CACHE_KEY_PREFIX"] = "bench"
    try:
        prepare_environment()
    except Refused as refusal:
        sys.exit(str(refusal))
    os.environ["DATABASE_ROLE"] = "owner"

    import django

    django.setup()

    from django.conf import settings
    from django.core.management import call_command

    from . import data, pages, start
    from .measure import Row, show, write

    rows: list[Row] = []
    if not only or only & {"P1", "P2", "P3", "P5"}:
        from gpuadvisor.core import clock
        from market.invented import simulate

        call_command("collectstatic", interactive=False, verbosity=0)
        small, large = "bench_1m", f"bench_{given.scale}m"
        for name, millions in ((small, 1), (large, given.scale)):
            data.create_database(name)
            data.use_database(name)
            data.fill(millions * 1_000_000, clock.today())
            simulate(days=30)
        if not only or only & {"P1", "P2"}:
            rows += pages.cold_and_growth(small, large, f"{given.scale} and 1 million daily metrics")
        if not only or "P5" in only:
            rows.append(pages.analytics(large))
        if not only or "P3" in only:
            rows.append(pages.warm(large))
    if not only or "P4" in only:
        from . import market

        call_command("collectstatic", interactive=False, verbosity=0)
        data.create_database(market.DATABASE)
        rows += market.comparison()
    if not only or "P6" in only:
        from . import ingest

        data.create_database(ingest.DATABASE)
        rows.append(ingest.end_to_end())
    if not only or "P7" in only:
        from . import refresh

        data.create_database(refresh.DATABASE)
        rows.append(refresh.full_market())
    if not only or "P8" in only:
        from . import alerts

        data.create_database(alerts.DATABASE)
        rows.append(alerts.evaluation())
    if not only or "P9" in only:
        from . import storm

        data.create_database(storm.DATABASE)
        rows.append(storm.ten_thousand())
    if not only or "P10" in only:
        from . import chat

        call_command("collectstatic", interactive=False, verbosity=0)
        data.create_database(chat.DATABASE)
        rows += chat.measure()
    if not only or "P11" in only:
        from . import retention

        call_command("collectstatic", interactive=False, verbosity=0)
        data.create_database(retention.DATABASE)
        rows.append(retention.dropping())
    if not only or "import" in only:
        from . import imports

        data.create_database(imports.DATABASE)
        rows += imports.a_million_lines()
    if "R-054" in only:  # ten million messages: only where it is asked for
        from . import chat_context

        data.create_database(chat_context.DATABASE)
        data.use_database(chat_context.DATABASE)
        rows.append(chat_context.recent_context())
    if not only or "P14" in only:
        rows += start.fresh_clone(Path(settings.BASE_DIR))
    versions = f"Python {platform.python_version()}, Django {django.get_version()}, {os.cpu_count()} cores"
    print(versions, show(rows), sep="\n\n")  # noqa: T201 (a program's output)
    write(rows, settings.DATA_DIR / "bench.json")
    return 1 if any(row.ok is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
