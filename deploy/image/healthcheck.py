"""The image's health check: asks the exporter of this container ``/-/healthy``.

Exit code 0: it answers 200; 1: it does not, and standard error tells what happened instead. It needs neither curl nor
the exporter's own modules, whose import would take a second and 40 MB every time. Of another port than the default it
knows by ``EXPORTER_WEB__LISTEN_ADDRESS`` alone, not by the configuration file.
"""

import http.client
import os
import sys
from collections.abc import Mapping

DEFAULT = "0.0.0.0:10926"
SECONDS = 4
"""How long an answer may take; the image's own limit for the whole check is a second more."""
LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - is compared with, not bound
"""Where to ask an exporter that listens on every interface."""


def address(environ: Mapping[str, str]) -> tuple[str, int]:
    """Return the host and the port to ask. Raises ``ValueError`` for a port that is no number."""
    host, _, port = (environ.get("EXPORTER_WEB__LISTEN_ADDRESS") or DEFAULT).rpartition(":")
    host = host.strip("[]")
    return LOOPBACK.get(host, host), int(port)


def main() -> str | int:
    """Return 0, or the sentence that says why the exporter is not healthy."""
    try:
        host, port = address(os.environ)
        connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
        connection.request("GET", "/-/healthy")
        status = connection.getresponse().status
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"not healthy: {error}"
    return 0 if status == http.client.OK else f"not healthy: HTTP {status}"


if __name__ == "__main__":
    sys.exit(main())
