#!/usr/bin/env python3
"""Django's commands, on the servers that the checkout brings along where the environment names no others."""

import sys

from gpuadvisor.servers.attach import needs_servers, prepare_environment
from gpuadvisor.servers.errors import Refused


def main() -> None:
    try:
        prepare_environment(start=needs_servers(sys.argv))
    except Refused as refusal:
        sys.exit(str(refusal))
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
