"""The image's health check: asks the exporter of this container ``/-/healthy``, or the path that is its argument.

Exit code 0: it answers 200, or refuses us as it may refuse anybody (a password or a certificate is missing, too many
requests or connections); 1: it does not, and standard error tells what happened instead. With ``/-/ready`` a 503 is an
exporter that is not ready. It needs neither curl nor the exporter's own modules, whose import would take a second and
40 MB every time. Of another port than the default it knows by ``EXPORTER_WEB__LISTEN_ADDRESS`` alone (the first of
several), not by the configuration file or a flag.
"""

import http.client
import os
import ssl
import sys
from collections.abc import Mapping, Sequence

DEFAULT = "0.0.0.0:10926"
SECONDS = 4
"""How long an answer may take; the image's own limit for the whole check is a second more."""
LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - is compared with, not bound
"""Where to ask an exporter that listens on every interface."""

HEALTHY, READY = "/-/healthy", "/-/ready"
REFUSALS = (http.client.UNAUTHORIZED, http.client.FORBIDDEN, http.client.TOO_MANY_REQUESTS)
"""What an exporter that works may answer to somebody it does not know, or who is one of too many."""
CLOSED = (http.client.BadStatusLine, ConnectionResetError, BrokenPipeError, ssl.SSLError)
"""What comes of a connection that is closed instead of answered; a broken pipe, if that happens before we ask."""


def address(environ: Mapping[str, str]) -> tuple[str, int]:
    """Return the host and the port to ask. Raises ``ValueError`` for a port that is no number."""
    first = (environ.get("EXPORTER_WEB__LISTEN_ADDRESS") or DEFAULT).strip().lstrip('["').partition(",")[0]
    host, _, port = first.strip('"] ').rpartition(":")
    host = host.strip("[]")
    return LOOPBACK.get(host, host), int(port)


def status(connection: http.client.HTTPConnection, path: str) -> int:
    """Return the status of the answer."""
    connection.request("GET", path)
    return connection.getresponse().status


def ask(host: str, port: int, path: str) -> int:
    """Return the status of the answer, by HTTP or by TLS. Raises ``OSError`` or ``HTTPException`` if there is none."""
    try:
        return status(http.client.HTTPConnection(host, port, timeout=SECONDS / 2), path)
    except CLOSED:
        context = ssl.create_default_context()
        context.check_hostname = False  # it is this container's own loopback
        context.verify_mode = ssl.CERT_NONE
    try:
        return status(http.client.HTTPSConnection(host, port, timeout=SECONDS / 2, context=context), path)
    except CLOSED:
        return http.client.OK  # it heard us and wants a certificate that we do not have; what hangs does not hang up


def main(arguments: Sequence[str]) -> str | int:
    """Return 0, or the sentence that says why the exporter is not healthy, or not ready."""
    path = arguments[0] if arguments else HEALTHY
    wrong = "not ready" if path == READY else "not healthy"
    try:
        answer = ask(*address(os.environ), path)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"{wrong}: {error}"
    busy = answer == http.client.SERVICE_UNAVAILABLE and path != READY
    return 0 if busy or answer == http.client.OK or answer in REFUSALS else f"{wrong}: HTTP {answer}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
