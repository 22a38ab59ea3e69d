"""The image's health check: asks the exporter of this container ``/-/healthy``.

Exit code 0: it answers 200, or asks who we are; 1: it does not, and standard error tells what happened instead. It
needs neither curl nor the exporter's own modules, whose import would take a second and 40 MB every time. Of another
port than the default it knows by ``EXPORTER_WEB__LISTEN_ADDRESS`` alone (the first of several), not by the
configuration file.
"""

import http.client
import os
import ssl
import sys
from collections.abc import Mapping

DEFAULT = "0.0.0.0:10926"
SECONDS = 4
"""How long an answer may take; the image's own limit for the whole check is a second more."""
LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - is compared with, not bound
"""Where to ask an exporter that listens on every interface."""

CLOSED = (http.client.BadStatusLine, ConnectionResetError, ssl.SSLError)
"""What comes of a connection that is closed instead of answered."""


def address(environ: Mapping[str, str]) -> tuple[str, int]:
    """Return the host and the port to ask. Raises ``ValueError`` for a port that is no number."""
    first = (environ.get("EXPORTER_WEB__LISTEN_ADDRESS") or DEFAULT).strip().lstrip('["').partition(",")[0]
    host, _, port = first.strip('"] ').rpartition(":")
    host = host.strip("[]")
    return LOOPBACK.get(host, host), int(port)


def status(connection: http.client.HTTPConnection) -> int:
    """Return the status of the answer."""
    connection.request("GET", "/-/healthy")
    return connection.getresponse().status


def ask(host: str, port: int) -> int:
    """Return the status of the answer, by HTTP or by TLS. Raises ``OSError`` or ``HTTPException`` if there is none."""
    try:
        return status(http.client.HTTPConnection(host, port, timeout=SECONDS / 2))
    except CLOSED:
        context = ssl.create_default_context()
        context.check_hostname = False  # it is this container's own loopback
        context.verify_mode = ssl.CERT_NONE
    try:
        return status(http.client.HTTPSConnection(host, port, timeout=SECONDS / 2, context=context))
    except CLOSED:
        return http.client.OK  # it heard us and wants a certificate that we do not have; what hangs does not hang up


def main() -> str | int:
    """Return 0, or the sentence that says why the exporter is not healthy."""
    try:
        answer = ask(*address(os.environ))
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"not healthy: {error}"
    return 0 if answer in (http.client.OK, http.client.UNAUTHORIZED) else f"not healthy: HTTP {answer}"


if __name__ == "__main__":
    sys.exit(main())
