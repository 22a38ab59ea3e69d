"""What an OTLP receiver makes of a request for metrics in JSON, from the text of OTLP 1 and its messages alone.

It refuses what the messages do not have: other keys, 64-bit numbers that are no decimal strings, words for enums,
metrics of two kinds, points without a time.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Read = Callable[[Any], Any]
CUMULATIVE = 2


@dataclass
class Point:
    """A point of a metric."""

    labels: dict[str, str]
    time: int
    value: float | None = None
    count: int | None = None
    total: float | None = None
    bounds: list[float] = field(default_factory=list)
    buckets: list[int] = field(default_factory=list)


@dataclass
class Received:
    """A metric of a request."""

    name: str
    description: str
    unit: str
    kind: str
    points: list[Point]


class RefusedError(Exception):
    """No receiver would take it."""


def received(body: Any) -> dict[str, Received]:
    """Return the metrics of a request by name."""
    found: dict[str, Received] = {}
    for resource in _keys(body, {"resourceMetrics"}, {"resourceMetrics"})["resourceMetrics"]:
        _keys(resource, {"resource", "scopeMetrics", "schemaUrl"})
        named = _attributes(_keys(resource.get("resource", {}), {"attributes"}).get("attributes", []))
        if "service.name" in named:
            raise RefusedError("Prometheus would replace the label job by it")
        for scope in resource.get("scopeMetrics", []):
            _keys(scope, {"scope", "metrics", "schemaUrl"})
            _keys(scope.get("scope", {}), {"name", "version", "attributes"})
            for metric in scope.get("metrics", []):
                each = _metric(metric)
                if each.name in found:
                    raise RefusedError(f"{each.name} comes twice")
                found[each.name] = each
    return found


def _metric(told: Any) -> Received:
    kinds = {"gauge", "sum", "histogram", "summary"}
    _keys(told, {"name", "description", "unit"} | kinds, {"name"})
    (kind,) = kinds & told.keys()
    more = {"gauge": set(), "summary": set(), "histogram": {"aggregationTemporality"}}
    allowed = more.get(kind, {"aggregationTemporality", "isMonotonic"})
    data = _keys(told[kind], {"dataPoints"} | allowed, {"dataPoints"} | allowed)
    if allowed and data["aggregationTemporality"] is not CUMULATIVE:
        raise RefusedError("an enum is a number, and these count from the start")
    if kind == "sum" and data["isMonotonic"] is not True:
        raise RefusedError("a counter never falls")
    points = [_POINTS[kind](point) for point in data["dataPoints"]]
    return Received(told["name"], told.get("description", ""), told.get("unit", ""), kind, points)


def _number(told: Any) -> Point:
    _keys(told, {"attributes", "timeUnixNano", "asDouble"}, {"timeUnixNano", "asDouble"})
    return Point(*_head(told), value=_double(told["asDouble"]))


def _summary(told: Any) -> Point:
    known = {"attributes", "timeUnixNano", "count", "sum"}
    _keys(told, known, known - {"attributes"})
    return Point(*_head(told), count=_fixed64(told["count"]), total=_double(told["sum"]))


def _histogram(told: Any) -> Point:
    known = {"attributes", "timeUnixNano", "count", "sum", "explicitBounds", "bucketCounts"}
    _keys(told, known, known - {"attributes"})
    bounds, buckets = list(map(_double, told["explicitBounds"])), list(map(_fixed64, told["bucketCounts"]))
    count = _fixed64(told["count"])
    if len(buckets) != len(bounds) + 1 or sum(buckets) != count or bounds != sorted(set(bounds)):
        raise RefusedError("there is one bucket more than bounds, and they hold all")
    return Point(*_head(told), count=count, total=_double(told["sum"]), bounds=bounds, buckets=buckets)


_POINTS: dict[str, Callable[[Any], Point]] = {
    "gauge": _number,
    "sum": _number,
    "summary": _summary,
    "histogram": _histogram,
}


def _head(told: Any) -> tuple[dict[str, str], int]:
    time = _fixed64(told["timeUnixNano"])
    if not time:
        raise RefusedError("a point has a time")
    return _attributes(told.get("attributes", [])), time


def _attributes(told: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in told:
        _keys(each, {"key", "value"}, {"key", "value"})
        value = _keys(each["value"], {"stringValue"}, {"stringValue"})["stringValue"]
        if not isinstance(value, str) or each["key"] in found:
            raise RefusedError(f"attribute {each['key']}")
        found[each["key"]] = value
    return found


def _fixed64(told: Any) -> int:
    if not isinstance(told, str) or not re.fullmatch(r"[0-9]{1,20}", told):
        raise RefusedError(f"a 64-bit number is a decimal string: {told!r}")
    return int(told)


def _double(told: Any) -> float:
    if isinstance(told, bool) or not isinstance(told, int | float):
        raise RefusedError(f"no number: {told!r}")
    return float(told)


def _keys(told: Any, known: set[str], needed: set[str] = frozenset()) -> dict[str, Any]:  # type: ignore[assignment]
    if not isinstance(told, dict) or not needed <= told.keys() <= known:
        raise RefusedError(f"{sorted(told)} where there are {sorted(known)}")
    return told
