#!/usr/bin/env python3
"""Whether a web process answers: answers.py ready|live PORT [SECONDS to wait]. Exit 0 once /health/… says 200.

Asks as a visitor of SITE_URL does: another host's name is refused. Knows no Django, so it costs no start of one.
"""

import http.client
import os
import sys
import time
from urllib.parse import urlsplit


def ask(what: str, port: int) -> str:
    """Empty where it says 200, else its words."""
    host = urlsplit(os.environ.get("SITE_URL", "")).netloc or f"localhost:{port}"
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        link.request("GET", f"/health/{what}", headers={"Host": host, "Connection": "close"})
        answer = link.getresponse()
        words = answer.read(2000).decode(errors="replace").strip()
        return "" if answer.status == 200 else f"{answer.status} {words}"
    except (OSError, http.client.HTTPException) as error:
        return f"no answer ({error})"
    finally:
        link.close()


def main(what: str, port: str, seconds: str = "0") -> int:
    end = time.monotonic() + float(seconds)
    while words := ask(what, int(port)):
        if time.monotonic() > end:
            sys.stderr.write(f"/health/{what} on port {port}: {words}\n")
            return 1
        time.sleep(0.3)
    return 0


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or sys.argv[1] not in ("ready", "live"):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
