"""What the jobs' metrics are in OTLP, the OpenTelemetry protocol, in its JSON encoding; does no I/O.

There is no ``service.name``: a receiver such as Prometheus makes the label ``job`` of it, and so all jobs would be one.
There are no start times of counters: a journal carries totals over restarts, so the time since when they count is not
known.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import Metric
from prometheus_client.samples import Sample

_CUMULATIVE: Final = 2
_UNITS: Final = {"seconds": "s", "bytes": "By", "ratio": "1"}
"""Units as OTLP names them, by the word that the name of a metric ends in."""
_Points = list[dict[str, Any]]


def request(families: Iterable[Metric], now: float, scope: str, version: str) -> bytes:
    """Return the body of a request with *families*; those of one name are one metric."""
    metrics: dict[str, dict[str, Any]] = {}
    for family in families:
        kind, points = _read(family, f"{round(now * 1000)}000000")
        if points:
            data = metrics.setdefault(_name(family), _metric(family, kind))[kind]
            data["dataPoints"] += points
    scoped = {"scope": {"name": scope, "version": version}, "metrics": list(metrics.values())}
    document = {"resourceMetrics": [{"resource": {"attributes": []}, "scopeMetrics": [scoped]}]}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else str(family.name)


def _metric(family: Metric, kind: str) -> dict[str, Any]:
    data: dict[str, Any] = {"dataPoints": []}
    if kind in {"sum", "histogram"}:
        data["aggregationTemporality"] = _CUMULATIVE
    if kind == "sum":
        data["isMonotonic"] = True
    unit = _UNITS.get(family.name.rpartition("_")[2], "")
    return {"name": _name(family), "description": family.documentation, "unit": unit, kind: data}


def _read(family: Metric, time: str) -> tuple[str, _Points]:
    """Return of which kind a family is in OTLP, and its points."""
    match family.type:
        case "counter":
            return "sum", list(_numbers(family.samples, time))
        case "summary" | "histogram":
            return family.type, list(_distributions(family.samples, time))
        case _:
            return "gauge", list(_numbers(family.samples, time))


def _numbers(samples: Iterable[Sample], time: str) -> Iterator[dict[str, Any]]:
    for sample in samples:
        yield {"attributes": _attributes(sample.labels), "timeUnixNano": time, "asDouble": sample.value}


def _distributions(samples: Iterable[Sample], time: str) -> Iterator[dict[str, Any]]:
    """Yield a point for each set of labels, of which there are several samples: buckets, their sum and their number."""
    grouped: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
    for sample in samples:
        labels = dict(sample.labels)
        edge = labels.pop("le", "")
        ending = sample.name.rpartition("_")[2]
        grouped.setdefault(tuple(labels.items()), {})[edge or ending] = sample.value
    for key, values in grouped.items():
        yield {
            "attributes": _attributes(dict(key)),
            "timeUnixNano": time,
            "count": str(int(values.pop("count"))),
            "sum": values.pop("sum"),
            **(_buckets(values) if values else {}),
        }


def _buckets(upto: Mapping[str, float]) -> dict[str, Any]:
    """Return bounds and numbers of the buckets, of which each one here holds what the smaller ones hold too."""
    bounds = sorted(upto, key=float)
    totals = [int(upto[bound]) for bound in bounds]
    counts = [total - before for before, total in zip([0, *totals], totals, strict=False)]
    return {"explicitBounds": [float(bound) for bound in bounds[:-1]], "bucketCounts": list(map(str, counts))}


def _attributes(labels: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in labels.items()]
