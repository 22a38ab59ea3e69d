"""Calls that other calls depend on: for a token, a temporary key, or the id of a project.

They are made while a poll holds its slot, and perhaps while the circuit breaker waits for the result of that poll.
Waiting for another slot or for the circuit breaker could therefore deadlock, so these calls need only a permit of their
own rate limit. They wait for it only briefly, because the poll's slot is needed by others.
"""

from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Final, Protocol, TypeVar

from exporter.clock import Clock
from exporter.cloud.client import Client
from exporter.cloud.counted import counted
from exporter.cloud.credentials import Credentials
from exporter.cloud.projects import Bucket
from exporter.cloud.response import Response, retry_after
from exporter.metrics.telemetry import Telemetry
from exporter.model.reason import Reason
from exporter.services import error_classes
from exporter.services.clouds import IAM_LIMITS
from exporter.services.error_codes import ErrorCodes
from exporter.services.request import Request

_IDENTITY_LIMIT: Final = 256 * 1024
"""Bytes of an answer about who asks, which is read in the event loop."""
(IAM_LIMIT,) = IAM_LIMITS
"""The limit class of calls to IAM."""
_FIRST_ERROR: Final = 400
_PERMIT_WAIT: Final = 10.0
"""Seconds for which a call may wait for room in its limit."""
_T = TypeVar("_T")


class PermitSource(Protocol):
    """Gives permits of limits."""

    def call(self, bucket: Bucket, rate: float, work: Callable[[], Awaitable[_T]], patience: float) -> Awaitable[_T]:
        """Make a call once *rate*, in calls a second, has room for it, in *patience* seconds at most.

        Raises :class:`~exporter.model.errors.PollError` of reason ``throttled`` if it has not.
        """

    def throttled(self, bucket: Bucket, retry_after: float | None) -> None:
        """Pause a limit, because the cloud refused a call as one too many."""


class IdentityCalls:
    """Makes such calls; in the metrics of the API their limit class is the value of the label ``service``."""

    def __init__(self, transport: Client, telemetry: Telemetry) -> None:
        self._transport = transport
        self._telemetry = telemetry

    async def send(
        self, base_url: str, request: Request, credentials: Credentials, keep: Collection[str] = ()
    ) -> Response:
        """Make one call and return its answer, as :meth:`Client.send` does."""
        sent = self._transport.send(base_url, request, credentials, keep=keep, most=_IDENTITY_LIMIT)
        return await counted(sent, self._telemetry, request.limit, request.operation)


class IamCalls(IdentityCalls):
    """Makes calls to IAM, each with a permit of *permits*.

    *share* tells by the credentials what their calls are counted by, and how many a second are allowed.
    """

    def __init__(
        self,
        transport: Client,
        telemetry: Telemetry,
        permits: PermitSource,
        share: Callable[[Credentials], tuple[Bucket, float]],
        clock: Clock,
    ) -> None:
        super().__init__(transport, telemetry)
        self._permits = permits
        self._share = share
        self._clock = clock

    async def send(
        self, base_url: str, request: Request, credentials: Credentials, keep: Collection[str] = ()
    ) -> Response:
        """Make one call once its limit allows it."""
        bucket, rate = self._share(credentials)
        made = partial(super().send, base_url, request, credentials, keep)
        answer = await self._permits.call(bucket, rate, made, _PERMIT_WAIT)
        if self._too_many(answer):
            self._telemetry.api_throttled.labels(request.limit).inc()
            self._permits.throttled(bucket, retry_after(answer.headers, self._clock.now()))
        return answer

    def _too_many(self, answer: Response) -> bool:
        if answer.status < _FIRST_ERROR:
            return False
        error = error_classes.refusal(answer.status, error_classes.envelope(answer.body), ErrorCodes())
        return error.reason is Reason.THROTTLED
