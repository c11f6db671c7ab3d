"""`python -m gpuadvisor.servers run | keep | announce`; `make run` calls the first, the other two are called by us."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - said here too, for who starts us without make
    sys.exit(f"GPU Advisor needs Python 3.11 or newer, and this is {sys.version.split()[0]}.")

import argparse
from pathlib import Path

from gpuadvisor.servers.errors import Refused


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m gpuadvisor.servers")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("run", help="the whole site, until Ctrl-C")
    keep = actions.add_parser("keep", help="servers, until nobody uses them")
    keep.add_argument("--by-hand", action="store_true")
    keep.add_argument("--temporary", action="store_true")
    keep.add_argument("data", type=Path)
    keep.add_argument("names", nargs="+")
    announce = actions.add_parser("announce", help="wait for the site and print its address")
    announce.add_argument("port", type=int)
    chosen = parser.parse_args()
    try:
        if chosen.action == "keep":
            from gpuadvisor.servers.keeper import keep as keep_servers

            keep_servers(chosen.data, chosen.names, by_hand=chosen.by_hand, is_temporary=chosen.temporary)
        elif chosen.action == "announce":
            from gpuadvisor.servers.site import announce as announce_site

            announce_site(chosen.port)
        else:
            from gpuadvisor.servers.site import run

            run()
    except Refused as refusal:
        sys.exit(str(refusal))
    except KeyboardInterrupt:
        sys.exit(130)


main()
