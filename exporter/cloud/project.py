"""One project of the configuration: its endpoints, its credentials, and all calls that are made for it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Final

from exporter.clock import Clock
from exporter.cloud.client import Client, Response, retry_after, server_skew
from exporter.cloud.counted import counted
from exporter.cloud.credentials import Credentials
from exporter.cloud.response import cached_for
from exporter.cloud.single_flight import SingleFlight
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import PollError
from exporter.model.messages import quoted
from exporter.model.reason import Reason
from exporter.services import error_classes
from exporter.services.adapter import Adapter
from exporter.services.request import Request

_KNOWN: Final = frozenset({Reason.NOT_FOUND, Reason.PERMISSION, Reason.API})
"""Failures that prove that the vendor accepted the credentials. A 429 does not: it may come before they are checked."""
_FRESH: Final = 5.0
"""Seconds of age that an answer may have; what a cache keeps for longer is not what the cloud says now."""
_SKEW_CHECK: Final = 60.0
"""Seconds between two checks of the server's clock."""
_CLOCK_SET: Final = 1.0
"""Seconds by which this machine's clock jumps if it is set, or the machine was asleep: then the next answer is
checked."""
_DATE: Final = 1.0
"""Seconds by which a date is behind at most, because it has no fractions."""
_DOUBTED: Final = 5.0
"""Seconds by which the server's clock may differ from what it was known to be before a second answer has to say so."""
_SKEW_MOST: Final = 86_400.0
"""Seconds by which the clocks may differ for the server's to be believed; the date may be that of a proxy."""
_SKEW_TOLD: Final = 60.0
"""Seconds by which the clocks differ at least for a refusal to mention it."""


@dataclass(slots=True)
class Project:
    """A project and what it takes to call its services."""

    name: str
    region: str
    project_id: str
    """Empty while it is not known."""
    endpoints: Mapping[str, str]
    """Base URLs by service."""
    limits: Mapping[str, float]
    """Calls a second by limit class."""
    zone: tzinfo | None
    """How to read times that come without a zone."""
    credentials: Credentials
    transport: Client
    clock: Clock
    telemetry: Telemetry
    find_project_id: Callable[[], Awaitable[str]] | None = None
    """How to find the id that was not given."""
    _found_id: SingleFlight[str] = field(init=False)
    skew: float | None = field(default=None, init=False)
    """Seconds that the cloud's clock is ahead of ours, once an answer said so."""
    _skew_checked: float = field(default=float("-inf"), init=False)
    _ahead: float = field(default=0.0, init=False)
    """What this machine's clock showed beyond the clock that never jumps at the last check."""
    _offset: float | None = field(default=None, init=False)
    """What the cloud's clock showed beyond the clock that never jumps."""
    _doubted: float | None = field(default=None, init=False)
    """The same by the last answer, if that was another clock and no answer before said so."""

    def __post_init__(self) -> None:
        # Of refused credentials nothing is remembered: when they may be tried again is not decided here.
        self._found_id = SingleFlight(self._find_id, self.clock, fleeting=(Reason.AUTH,))

    async def project_id_of(self) -> str:
        """Return the id that was given, or find it once; raises :class:`PollError` if it cannot be found."""
        return self.project_id or await self._found_id.ask()

    async def _find_id(self) -> str:
        if not self.project_id:
            if self.find_project_id is None:
                raise PollError(
                    Reason.CONFIG, f"the project {self.name} has no id; set projects.{self.name}.project_id"
                )
            self.project_id = await self.find_project_id()
        return self.project_id

    def cloud_time(self) -> float:
        """Return the Unix time by the cloud's clock: what the cloud's own times are compared with.

        Until an answer gave it, and if what it gave is out of range, it is the time by our own clock.
        """
        if self._offset is None:
            self._offset = self.clock.now() - self.clock.monotonic()
        return self._offset + self.clock.monotonic()

    @property
    def owner(self) -> tuple[str, str]:
        """Who asks, and in which region: what the vendor counts calls by."""
        return self.credentials.identity, self.region

    async def ask(self, adapter: Adapter, request: Request) -> bytes:
        """Make a call and return the body of its 200 answer; whatever else comes is a :class:`PollError`."""
        service, began = adapter.service, self.clock.monotonic()
        timed = request.at(self.cloud_time())
        sent = self.transport.send(self.endpoints[service], timed, self.credentials, self.project_id)
        answer = await counted(sent, self.telemetry, service, request.operation)
        if (seconds := cached_for(answer.headers)) > _FRESH:
            sentence = f"a cache on the way to {service} answered with a copy that is {seconds:.0f} s old"
            raise PollError(Reason.PAYLOAD, f"{sentence}; have the proxy pass calls to the cloud on uncached")
        self._check_clock(answer, began)
        if answer.status != 200:
            raise self._refusal(adapter, answer)
        return answer.body

    def unread(self, service: str, error: PollError) -> None:
        """Take over why an answer was not taken for that to its call.

        It may be the answer to another call. Then the connection is out of step, and the next answer on it may be one
        that cannot be told from the right one: of a job with the same name in another cluster, or of its list.
        """
        if error.reason is Reason.PAYLOAD:
            self.transport.doubt(self.endpoints[service])

    def _refusal(self, adapter: Adapter, answer: Response) -> PollError:
        error = error_classes.refusal(
            answer.status,
            error_classes.envelope(answer.body),
            adapter.codes,
            request_id=answer.headers.get("x-request-id", ""),
            retry_after=retry_after(answer.headers, self.clock.now()),
        )
        if error.reason is Reason.THROTTLED:
            self.telemetry.api_throttled.labels(adapter.service).inc()
        error.known = error.known and error.reason in _KNOWN  # a proxy knows nobody
        if error.reason is Reason.CONFIG and error_classes.of_gateway(error.code):
            error.sentence += f"; {self.name} has project_id {quoted(self.project_id)} and region {quoted(self.region)}"
        if error.reason is Reason.AUTH:
            # A service that finds the user wanting behind the gateway had the signature accepted; of a token it may be
            # the first to look inside.
            token = not self.credentials.signs and error.code.upper() in adapter.codes.token
            error.refused = answer.status == 401 or error.code.startswith("APIG") or token
            error.known = not error.refused
            error.sentence += _clocks(server_skew(answer.headers.get("date"), self.clock.now()))
        return error

    def _check_clock(self, answer: Response, began: float) -> None:
        """Take over what the date of an answer says of the cloud's clock; its call was made at *began*.

        The answer was dated at some moment since then, so what is known of the clock may agree with the date though the
        answer came seconds later.
        """
        now = self.clock.monotonic()
        ahead = self.clock.now() - now
        if now - self._skew_checked < _SKEW_CHECK and abs(ahead - self._ahead) < _CLOCK_SET:
            return
        skew = server_skew(answer.headers.get("date"), self.clock.now())
        if skew is None:
            return
        known, earliest = ahead if self._offset is None else self._offset, ahead + skew
        offset = min(max(known, earliest), earliest + _DATE + now - began)
        # our clock may have been set, or the machine have slept; but a wrong date, of a proxy perhaps, says neither
        alike = _near(skew, self.skew) or _near(offset, self._offset) or _near(offset, self._doubted)
        if self.skew is not None and not alike:
            self._doubted = offset
            return
        self._skew_checked, self._ahead = now, ahead
        self.skew, self._doubted = skew, None
        if abs(skew) <= _SKEW_MOST:
            self._offset = offset


def _near(found: float, known: float | None) -> bool:
    """Whether a difference of clocks may be the one that is *known*."""
    return known is not None and abs(found - known) <= _DOUBTED


def _clocks(skew: float | None) -> str:
    """Say how far the clocks are apart, if they are: it is the one cause of a refusal that can be seen from here."""
    if skew is None or abs(skew) < _SKEW_TOLD:
        return ""
    side = "behind" if skew > 0 else "ahead of"
    return f"; this machine's clock is {abs(skew):.0f} s {side} the cloud's, and a signature is good for 900 s"
