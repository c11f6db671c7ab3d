"""A file of recorded prices as the import reads it, written by hand."""

from __future__ import annotations

import csv
import gzip
from io import StringIO

from market.history import COLUMNS


def line(**changes):
    row = {
        "timestamp": "2026-05-10T20:30:12+00:00",
        "platform": "vast.ai",
        "region": "global",
        "gpu_model": "RTX_4090",
        "gpu_count": "1",
        "price_per_hour_usd": "0.40",
        "spot": "false",
        "min_per_gpu": "0.30",
        "median_per_gpu": "0.40",
        "max_per_gpu": "0.90",
        "n_offers": "3",
        "source": "vast_api",
    } | changes
    return [row[column] for column in COLUMNS]


def history_file(folder, *lines, name="prices.csv"):
    text = StringIO()
    csv.writer(text).writerows([COLUMNS, *lines])
    path = folder / name
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    return path
