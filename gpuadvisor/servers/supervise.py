"""The supervisor of `make run`: supervisord, but a closed terminal ends it, and the terminal shows our programs' lines.

Every program writes its file in DATA_DIR/logs; lines of web, the workers and beat are shown as well, name in front.
"""

import contextlib
import select
import signal
import sys

from supervisor import dispatchers
from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ServerOptions
from supervisor.supervisord import Supervisor

SHOWN = {"web", "worker", "chat", "beat", "stripe", "ready"}
CHUNK = 4096  # a pipe that `select` calls writable takes this much without waiting


class Terminal:
    """Our stdout. A reader that is gone or does not read costs lines, never time: the logs have them all."""

    def __init__(self) -> None:
        self._begun: dict[str, bytes] = {}

    def show(self, name: str, data: bytes) -> None:
        *lines, self._begun[name] = (self._begun.get(name, b"") + data).split(b"\n")
        front = b"" if name == "ready" else f"{name:<7}| ".encode()
        for line in lines:
            self.write(front + line + b"\n")

    def write(self, line: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):
            if select.select([], [1], [], 0)[1]:
                sys.stdout.buffer.write(line[:CHUNK])
                sys.stdout.buffer.flush()


terminal = Terminal()


class ShownOutput(dispatchers.POutputDispatcher):  # type: ignore[misc]
    def _log(self, data: bytes) -> None:
        super()._log(data)
        if data and self.process.config.name in SHOWN:
            terminal.show(self.process.config.name, data)


class Options(ServerOptions):  # type: ignore[misc]
    asked_to_end = False

    def get_signal(self) -> int | None:
        """A closed terminal (HUP) means the end; supervisord would start everything anew."""
        number: int | None = super().get_signal()
        if number == signal.SIGHUP:
            number = signal.SIGTERM
        if number in {signal.SIGINT, signal.SIGTERM} and not self.asked_to_end:
            self.asked_to_end = True
            terminal.write(b"\nStopping: web, beat, worker (which finishes its tasks), then the servers.\n")
        return number


def main() -> None:
    dispatchers.POutputDispatcher = ShownOutput
    options = Options()
    options.realize(["-c", sys.argv[1]], doc=__doc__)
    options.first, options.test = True, False
    with contextlib.suppress(ExitNow):  # how its loop ends
        Supervisor(options).main()
    options.close_logger()
    terminal.write(b"Stopped.\n")


if __name__ == "__main__":
    main()
