"""Pushes the jobs' metrics at the end, for pods that end without a scrape: to a Pushgateway, or by OTLP.

A Pushgateway gets each job as a group of its own, by prometheus_client's own function, because it replaces the labels
of the samples by those of the group, and `job` is one of them. By OTLP many jobs are one request.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from typing import Final, Protocol
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

import structlog
from prometheus_client import Metric, pushadd_to_gateway
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from exporter import __version__
from exporter.clock import Clock
from exporter.metrics.otlp import request
from exporter.metrics.store import JobStore
from exporter.model.job import JobKey

_AT_ONCE: Final = 8
_TRIES: Final = 2
_PAUSE: Final = 0.5
"""Seconds before the second try, if the receiver does not say how long."""
_RETRIED: Final = frozenset({429, 502, 503, 504})
"""The statuses after which OTLP allows another try."""
_READ: Final = 65536
"""Bytes of an answer that are read, at most."""
_NAMED: Final = 10
"""Names of jobs in a line of the log, at most."""


class _RejectedError(OSError):
    """The receiver answered that it does not take this, and will not if it is sent again."""


class _Target(Protocol):
    """Where metrics are pushed to."""

    @property
    def name(self) -> str:
        """Return what the log calls it."""

    @property
    def at_once(self) -> int:
        """Return how many jobs are one push."""

    def send(self, keys: Sequence[JobKey]) -> None:
        """Push these jobs; blocks. Raises ``OSError`` and ``HTTPException``."""


class Pusher:
    """Pushes jobs to *target*, each twice at most."""

    def __init__(self, target: _Target) -> None:
        self._target = target
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._log = structlog.get_logger()

    async def push(self, keys: Sequence[JobKey]) -> None:
        """Push these jobs, and log how many were taken; a failure is logged."""
        size = self._target.at_once
        parts = [keys[start : start + size] for start in range(0, len(keys), size)]
        taken = sum(await asyncio.gather(*map(self._push, parts)))
        self._log.info("pushed", to=self._target.name, jobs=taken, of_jobs=len(keys))

    async def _push(self, keys: Sequence[JobKey]) -> int:
        async with self._slots:
            for left in reversed(range(_TRIES)):
                try:
                    await asyncio.to_thread(self._target.send, keys)
                except (OSError, HTTPException) as error:
                    if not left or isinstance(error, _RejectedError):
                        names = [key.job for key in keys[:_NAMED]]
                        self._log.warning(
                            "push failed", to=self._target.name, jobs=len(keys), names=names, error=str(error)
                        )
                        return 0
                    await asyncio.sleep(_pause(error))
                else:
                    return len(keys)
            return 0


@dataclass(frozen=True, slots=True)
class _Pushgateway:
    """A Pushgateway at *url*; *labels* are the names of the labels of service and job."""

    store: JobStore
    url: str
    labels: tuple[str, str]
    timeout: float
    name: str = "pushgateway"
    at_once: int = 1

    def send(self, keys: Sequence[JobKey]) -> None:
        """Push one job; blocks. Raises ``OSError`` and ``HTTPException``."""
        (key,) = keys
        service, job = self.labels
        labels = {service: key.service, job: key.job}
        name = labels.pop("job", "huaweicloud-job-exporter")
        push = partial(pushadd_to_gateway, self.url, name, grouping_key=labels, timeout=self.timeout)
        push(handler=_request, registry=_Samples(self.store.document(key).decode()))


@dataclass(frozen=True, slots=True)
class _OtlpReceiver:
    """What takes metrics by OTLP over HTTP at *url*, such as an OpenTelemetry Collector, or Prometheus itself."""

    store: JobStore
    url: str
    clock: Clock
    timeout: float
    name: str = "otlp"
    at_once: int = 100

    def send(self, keys: Sequence[JobKey]) -> None:
        """Push jobs; blocks. Raises ``OSError`` and ``HTTPException``."""
        families = (family for key in keys for family in _Samples(self.store.document(key).decode()).collect())
        body = request(families, self.clock.now(), "huaweicloud-job-exporter", __version__)
        try:
            answer = _sent(self.url, "POST", self.timeout, {"Content-Type": "application/json"}, body)
        except HTTPError as error:
            raise error if error.code in _RETRIED else _RejectedError(str(error)) from None
        _reject_partial(answer)


def targets(
    store: JobStore, clock: Clock, labels: tuple[str, str], timeout: float, *, pushgateway: str | None, otlp: str | None
) -> list[_Target]:
    """Return where the jobs' metrics are to be pushed; *labels* are the names of the labels of service and job."""
    found: list[_Target] = []
    if pushgateway is not None:
        found.append(_Pushgateway(store, pushgateway, labels, timeout))
    if otlp is not None:
        found.append(_OtlpReceiver(store, otlp, clock, timeout))
    return found


def _reject_partial(answer: bytes) -> None:
    """Raise :class:`_RejectedError` if a receiver that answered 200 says that it did not take everything."""
    try:
        answered = json.loads(answer or b"{}").get("partialSuccess") or {}
        rejected = int(answered.get("rejectedDataPoints") or 0)
    except (ValueError, AttributeError, TypeError):
        return  # it took them: how it says so is of no matter
    if rejected:
        raise _RejectedError(f"{rejected} data points were rejected: {answered.get('errorMessage', '')}"[:300])


def _pause(error: Exception) -> float:
    """Return how long to wait before the next try."""
    wanted = error.headers.get("Retry-After", "") if isinstance(error, HTTPError) else ""
    return float(wanted) if wanted.isdecimal() else _PAUSE


class _NoRedirects(HTTPRedirectHandler):
    """Takes a redirect for a failure: the library follows it by a request without the metrics."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Follow none."""


def _sent(url: str, method: str, timeout: float | None, headers: dict[str, str], data: bytes) -> bytes:
    """Make a request and return the answer. Raises ``OSError`` for an answer that is no success."""
    asked = Request(url, data=data, headers=headers, method=method)  # noqa: S310 - the settings say which URL
    with build_opener(_NoRedirects).open(asked, timeout=timeout) as answer:
        return bytes(answer.read(_READ))


def _request(
    url: str, method: str, timeout: float | None, headers: list[tuple[str, str]], data: bytes
) -> Callable[[], None]:
    """Return what makes the request, as the library wants it."""

    def send() -> None:
        _sent(url, method, timeout, dict(headers), data)

    return send


class _Samples(Collector):
    """What was rendered already, as prometheus_client wants it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics."""
        return text_string_to_metric_families(self._text)
