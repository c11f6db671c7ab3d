"""`python -m gpuadvisor.standins.stripe`: the package's docstring tells its options."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from . import __doc__ as about
from .server import Server


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m gpuadvisor.standins.stripe",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8091)
    parser.add_argument("--deliver-to", default="", metavar="URL")
    parser.add_argument("--secret", default="whsec_standin")
    parser.add_argument("--key", default="")
    parser.add_argument("--retry-delays", default="1,5,30,120", metavar="SECONDS,…")
    parser.add_argument("--state", type=Path, default=None, metavar="FILE")
    options = parser.parse_args(arguments)
    delays = [float(one) for one in options.retry_delays.split(",") if one]
    server = Server(
        options.port,
        deliver_to=options.deliver_to,
        secret=options.secret,
        key=options.key,
        delays=delays,
        state=options.state,
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sys.stdout.write(f"{server.store.base}\n")
    sys.stdout.flush()
    try:
        server.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        pass
    finally:
        server.is_ending = True
        server.server_close()


if __name__ == "__main__":
    main()
