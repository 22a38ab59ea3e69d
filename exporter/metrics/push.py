"""Pushes the jobs' metrics to a Pushgateway with prometheus_client's own function, for pods that end without a scrape.

Each job is a group of its own, because a Pushgateway replaces the labels of the samples by those of the group, and
`job` is one of them.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from http.client import HTTPException
from typing import Final
from urllib.request import HTTPRedirectHandler, Request, build_opener

import structlog
from prometheus_client import Metric, pushadd_to_gateway
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from exporter.metrics.store import JobStore
from exporter.model.job import JobKey

_AT_ONCE: Final = 8
_TRIES: Final = 2
_PAUSE: Final = 0.5
"""Seconds before the second try."""


class Pusher:
    """Pushes what *store* shows to *url*; *labels* are the names of the labels of service and job."""

    def __init__(self, store: JobStore, url: str, labels: tuple[str, str], timeout: float) -> None:
        self._store = store
        self._url = url
        self._labels = labels
        self._timeout = timeout
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._log = structlog.get_logger()

    async def push(self, keys: Iterable[JobKey]) -> int:
        """Push these jobs, each once, and return how many the Pushgateway took; a failure is logged."""
        return sum(await asyncio.gather(*map(self._push, keys)))

    async def _push(self, key: JobKey) -> bool:
        async with self._slots:
            for left in reversed(range(_TRIES)):
                try:
                    await asyncio.to_thread(self._send, key)
                except (OSError, HTTPException) as error:
                    if not left:
                        self._log.warning("push failed", service=key.service, job=key.job, error=str(error))
                else:
                    return True
                await asyncio.sleep(_PAUSE if left else 0)
            return False

    def _send(self, key: JobKey) -> None:
        """Push one job; blocks. Raises ``OSError`` and ``HTTPException``."""
        service, job = self._labels
        labels = {service: key.service, job: key.job}
        name = labels.pop("job", "huaweicloud-job-exporter")
        send = partial(pushadd_to_gateway, self._url, name, grouping_key=labels, timeout=self._timeout)
        send(handler=_request, registry=_Samples(self._store.document(key).decode()))


class _NoRedirects(HTTPRedirectHandler):
    """Takes a redirect for a failure: the library follows it by a request without the metrics."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Follow none."""


def _request(
    url: str, method: str, timeout: float | None, headers: list[tuple[str, str]], data: bytes
) -> Callable[[], None]:
    """Return what makes the request, as the library wants it. Raises ``OSError`` for an answer that is no success."""

    def send() -> None:
        request = Request(url, data=data, headers=dict(headers), method=method)  # noqa: S310 - the settings say which URL
        with build_opener(_NoRedirects).open(request, timeout=timeout):
            pass

    return send


class _Samples(Collector):
    """What was rendered already, as prometheus_client wants it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics."""
        return text_string_to_metric_families(self._text)
