"""The base of the exporter's own metrics: one registry, and a list of all metrics for the reference."""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from exporter.metrics.watched import WatchedGauge

M = TypeVar("M", Counter, Gauge)
EXPORTER_PREFIX: Final = "huaweicloud_job_exporter"


class Instruments:
    """A registry and the metrics in it."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry(auto_describe=True)
        self.catalogue: list[tuple[str, str, str, tuple[str, ...]]] = []
        """Name, type, help and labels of every metric here, for the reference."""
        self._by_project: list[tuple[Counter | Gauge, tuple[str, ...]]] = []  # that have the label, and all labels
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def forget_project(self, project: str) -> None:
        """Remove all series of a project that is gone."""
        for metric, labels in self._by_project:
            samples = [sample for family in metric.collect() for sample in family.samples]
            for sample in samples:
                if sample.labels["project"] == project:
                    metric.remove(*(sample.labels[label] for label in labels))

    def _watched(
        self,
        name: str,
        text: str,
        labels: tuple[str, ...],
        read: Callable[[], Mapping[tuple[str, ...], float]],
        prefix: str = EXPORTER_PREFIX,
    ) -> None:
        self.catalogue.append((f"{prefix}_{name}", "gauge", text, labels))
        self.registry.register(WatchedGauge(f"{prefix}_{name}", text, labels, read))

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        self.catalogue.append((f"{EXPORTER_PREFIX}_{name}", "gauge", text, labels))
        return self._kept(Gauge(f"{EXPORTER_PREFIX}_{name}", text, labels, registry=self.registry), labels)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        self.catalogue.append((f"{EXPORTER_PREFIX}_{name}_total", "counter", text, labels))
        return self._kept(Counter(f"{EXPORTER_PREFIX}_{name}", text, labels, registry=self.registry), labels)

    def _kept(self, metric: M, labels: tuple[str, ...]) -> M:
        if "project" in labels:
            self._by_project.append((metric, labels))
        return metric

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        self.catalogue.append((f"{EXPORTER_PREFIX}_{name}", "histogram", text, labels))
        return Histogram(f"{EXPORTER_PREFIX}_{name}", text, labels, buckets=buckets, registry=self.registry)
