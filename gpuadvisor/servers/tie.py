"""Runs a command that ends with its parent, where the system has no `setpriv --pdeathsig`: SIGNAL UID GID -- COMMAND.

Started by path with `python -IS`, so it imports nothing of ours. UID -1: no change of user.
"""

import os
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1


def main() -> int:
    name, uid, gid, command, parent = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[5:], os.getppid()
    number = signal.Signals[f"SIG{name}"]
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if os.uname().sysname == "Linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))  # after the change of user, which would clear it
        if os.getppid() != parent:
            return 1
        os.execv(command[0], command)  # noqa: S606
    child = subprocess.Popen(command)  # no such call on this system: stay between, and look who the parent is
    for passed_on in (signal.SIGTERM, signal.SIGINT):
        signal.signal(passed_on, lambda got, _frame: child.send_signal(got))
    while child.poll() is None:
        if os.getppid() != parent:
            child.send_signal(number)
            return child.wait()
        time.sleep(0.2)
    return child.returncode


if __name__ == "__main__":
    sys.exit(main())
