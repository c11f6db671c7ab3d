#!/usr/bin/env python3
"""What comes before a release's first page: tables, the table of limits, the GPU catalog; again at each release."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from django.core.management import execute_from_command_line

for line in (["migrate", "--noinput"], ["createcachetable"], ["load_gpu_catalog"]):
    execute_from_command_line(["manage.py", *line])
