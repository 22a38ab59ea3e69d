"""Counts every call that is sent, from whichever part, in the metrics of the API."""

from collections.abc import Awaitable

from exporter.cloud.response import Response
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import PollError


async def counted(sent: Awaitable[Response], telemetry: Telemetry, service: str, operation: str) -> Response:
    """Return the answer of a call that is *sent*, and count the call; one that could not be made is none."""
    try:
        answer = await sent
    except PollError as error:
        if error.asked:
            telemetry.api_requests.labels(service, operation, "none").inc()
        raise
    telemetry.answered(service, operation, answer.status, answer.seconds)
    return answer
