"""Metrics whose values are read from elsewhere at each scrape."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector


class WatchedCounter(Collector):
    """A counter without labels; *name* is without ``_total``."""

    def __init__(self, name: str, text: str, read: Callable[[], float]) -> None:
        self._name, self._text, self._read = name, text, read

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the counter as it is now."""
        yield CounterMetricFamily(self._name, self._text, self._read())


class WatchedGauge(Collector):
    """A gauge, by the values of its labels."""

    def __init__(
        self, name: str, text: str, labels: tuple[str, ...], read: Callable[[], Mapping[tuple[str, ...], float]]
    ) -> None:
        self._name, self._text, self._labels, self._read = name, text, labels, read

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauge as it is now."""
        family = GaugeMetricFamily(self._name, self._text, labels=self._labels)
        for values, value in self._read().items():
            family.add_metric(values, value)
        yield family
