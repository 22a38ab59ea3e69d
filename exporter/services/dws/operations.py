"""What calls about one operation on a cluster add to the cluster's own response: its steps, its times and its result.

Sources: DWS API reference, "Querying Redistribution Details" (ShowClusterRedistribution), "Querying the Snapshot List"
(ListSnapshots) and "Querying Task Details" (ListClusterActions), and the words of the SDK. No document says what they
return when no operation is in progress. So a response that reports an end is used only if it names the operation that
was in progress when it was called before: by the id of the redistribution or snapshot, or by the time when the task was
submitted (a task's id is random in each response).
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import tzinfo
from typing import Any, Final

from exporter.model.errors import PollError, first_line
from exporter.model.job import Job, comparable
from exporter.model.measures import MeasureFamily
from exporter.model.packed import Packed
from exporter.model.reason import Reason
from exporter.model.snapshot import Measure, Rows, Snapshot, State
from exporter.services import error_classes, json_fields
from exporter.services.adapter import RunReader
from exporter.services.codes_in_text import failure_code
from exporter.services.document import json_object
from exporter.services.dws import words
from exporter.services.request import Request, segments
from exporter.services.values import hundredth, meaning

_LIMIT: Final = next(iter(words.LIMITS))
_MOVED: Final = "REDISTRIBUTING"
_SAVED: Final = "SNAPSHOTTING"
_TABLES: Final = (("limit", "10"), ("offset", "0"), ("type", "i"))
"""The tables that are being redistributed: page and JSON show the first ones."""
_MARKS: Final = {_MOVED: "redistribution_id", _SAVED: "snapshot_id"}
_SUBMITTED: Final = "submit_time"
_SEVERAL: Final = "several"
"""Stands for the id of a snapshot where more than one is being created."""
_STEP: Final = ("sub_item_name", "status", "begin_time", "end_time", "estimated_time")
_TASKS: Final = ("active", "completed", "failed", "waiting")
_PLANNED: Final = Measure("tasks_planned")
STEP_MEASURES: Final = (
    MeasureFamily(
        "tasks",
        "Tables of a redistribution by state, from DWS tables_done and tables_left; steps of other operations on a"
        " cluster by state, from DWS sub_items",
        label="state",
        values=_TASKS,
        live=("active", "waiting"),
    ),
    MeasureFamily("tasks_planned", "Tables of a redistribution, or steps of another operation on a DWS cluster"),
)
_Parts = dict[str, Any]


class OperationReader(RunReader):
    """Reads the operation in progress on a cluster, as far as a call about it exists."""

    def request(self, job: Job, run: Snapshot, project_id: str) -> Request | None:
        """Return the call for an operation of this kind, ``None`` if there is none."""
        clusters = ("clusters", job.target["cluster_id"])
        if run.kind == _MOVED:
            path = segments("v2", project_id, *clusters, "redistribution")
            return Request("ShowClusterRedistribution", path, _LIMIT, _TABLES)
        if run.kind == _SAVED:
            return Request("ListSnapshots", segments("v1.0", project_id, "snapshots"), _LIMIT)
        word = run.native_state.upper()
        if word in words.ACTIONS:
            return Request("ListClusterActions", segments("v1", project_id, *clusters, "actions", word), _LIMIT)
        return None

    def parse(self, body: bytes, job: Job, run: Snapshot, zone: tzinfo | None) -> Snapshot:
        """Read the operation; raises :class:`PollError` if the response is not surely about *run*."""
        fields = json_fields.Fields(json_object(body), zone=zone)
        found = words.errors_told(fields)
        if found.codes:
            raise error_classes.refusal(200, found, words.CODES, otherwise=Reason.API)
        read: Callable[[json_fields.Fields, Job, Snapshot], Snapshot]
        read = {_MOVED: _redistribution, _SAVED: _snapshot}.get(run.kind, _action)
        answer = read(fields, job, run)
        mark = _MARKS.get(run.kind, _SUBMITTED)
        before, now = run.detail.get(mark), answer.detail.get(mark)
        if answer.ended and before is None:
            raise PollError(Reason.PAYLOAD, "the answer may be about an earlier operation on the cluster")
        if answer.ended and not _alike(now, before):
            raise PollError(Reason.NOT_FOUND, "the answer is about another operation on the cluster")
        return answer


def _alike(now: str | None, before: str | None) -> bool:
    """Whether both name one operation; the case of an id does not matter."""
    return now is not None and before is not None and comparable(now) == comparable(before)


def _operation(
    fields: json_fields.Fields,
    run: Snapshot,
    state: tuple[State, str],
    times: tuple[float | None, float | None],
    counts: Mapping[Measure, float],
    detail: _Parts,
    text: str | None = None,
) -> Snapshot:
    """Return the operation; *text* is why it failed, if that is said."""
    (result, native), (start, end), percent = state, times, detail.pop("progress", None)
    return Snapshot(
        state=result,
        native_state=native,
        kind=run.kind,
        progress=1.0 if result is State.SUCCEEDED else None if percent is None else hundredth(percent),
        start=start,
        end=end if result.ended else None,
        failure_code=failure_code(text) if result is State.FAILED else None,
        counts=Packed(counts),
        words=Packed({"operation": run.kind}),
        detail=Packed({name: value for name, value in detail.items() if value is not None}),
        unknown=tuple(fields.unknown),
    )


def _redistribution(fields: json_fields.Fields, job: Job, run: Snapshot) -> Snapshot:
    """Read ``redis_info``; where its status and that of ``redis_progress`` differ, its own counts."""
    info = fields.within("redis_info", "redis_info.")
    info.check_job({"cluster_id": "cluster_id"}, job.target)
    word = info.word("status")
    if word is None:
        raise PollError(Reason.PAYLOAD, "the answer has no status of a redistribution")
    state = info.state("status", word, words.REDISTRIBUTIONS)
    told, way = info.within("redis_progress", "redis_progress."), info.within("redis_conf", "redis_conf.")
    done, left = told.count("tables_done"), told.count("tables_left")
    amounts = {Measure("tasks", "completed"): done, Measure("tasks", "waiting"): left}
    counts: dict[Measure, float] = {measure: value for measure, value in amounts.items() if value is not None}
    if done is not None and left is not None:
        counts[_PLANNED] = done + left
    text = fields.text("error_msg")
    detail = {
        "progress": told.amount("total_progress", full=100),
        "redistribution_id": info.id("id"),
        "redistribution_status": word,
        "mode": way.text("redis_mode"),
        "parallel_jobs": way.count("parallel_jobs"),
        "table_progress": told.amount("table_progress", full=100),
        "bytes_done": told.count("bytes_done"),
        "bytes_left": told.count("byte_left"),
        "rate": told.text("redis_rate"),
        "estimated_time": told.text("estimated_time"),
        "failures": told.count("fail_count"),
        "paused_by_user": told.flag("pause_by_user"),
        "tables": _tables(info.within("redis_table_detail", "redis_table_detail.")),
        "failed_detail": first_line(text or "") or None,
    }
    return _operation(fields, run, state, (info.moment("start_time"), info.moment("end_time")), counts, detail, text)


def _tables(fields: json_fields.Fields) -> Rows | None:
    rows = [fields.apart(row or {}) for row in fields.objects("data") or []]
    names = ("schema", "table", "logical_cluster", "size", "status")
    told = tuple(
        (
            row.text("schema_name"),
            row.text("table_name"),
            row.text("logical_cluster_name"),
            row.count("size"),
            row.text("status"),
        )
        for row in rows
    )
    return Rows(names, told) if told else None


def _snapshot(fields: json_fields.Fields, job: Job, run: Snapshot) -> Snapshot:
    """Read the snapshot that is being created, and once nothing is in progress the last one that was.

    The operation is over when the last snapshot is made, so the end of an earlier one is not its end. While several are
    being created (one of them may be a copy), none of them can be told to be the operation.
    """
    rows = [fields.apart(row or {}) for row in error_classes.rows(fields, "snapshots", words.CODES)]
    own = [
        row for row in rows if row.id("cluster_id") is not None and row.of_job({"cluster_id": "cluster_id"}, job.target)
    ]
    known = run.detail.get("snapshot_id")
    found = [] if run.idle else [row for row in own if _is_new(row)]
    if known is not None and len(found) > 1:
        return _operation(fields, run, (State.RUNNING, "CREATING"), (None, None), {}, {"snapshot_id": _SEVERAL})
    found = found or [row for row in own if _alike(row.id("id"), known)]
    if len(found) != 1 or found[0].id("id") is None:
        raise PollError(Reason.PAYLOAD, "the answer does not show which snapshot is being created")
    (row,) = found
    state = row.state("status", row.word("status") or "", words.SNAPSHOTS)
    detail = {
        "snapshot_id": row.id("id"),
        "snapshot_name": row.text("name"),
        "snapshot_type": row.text("type"),
        "snapshot_status": row.text("status"),
        "size_gb": row.amount("size") if state[0] is State.SUCCEEDED else None,
    }
    return _operation(row, run, state, (row.moment("started"), row.moment("finished")), {}, detail)


def _is_new(row: json_fields.Fields) -> bool:
    return meaning(row.text("status") or "", words.SNAPSHOTS) is State.RUNNING


def _action(fields: json_fields.Fields, job: Job, run: Snapshot) -> Snapshot:
    """Read a task; ``detail`` of a step is JSON about hosts, and not read."""
    name = fields.word("action_name")
    if name is not None and name.upper() != run.native_state.upper():
        raise PollError(Reason.PAYLOAD, "the answer is about another task than the requested one")
    word = fields.word("status")
    if word is None:
        raise PollError(Reason.PAYLOAD, "the answer has no status of a task")
    state, steps = fields.state("status", word, words.ACTION_STATES), list(_steps(fields))
    begins = [at for step in steps if (at := step.moment("begin_time")) is not None]
    ends = [step.moment("end_time") for step in steps]
    last = max((at for at in ends if at is not None), default=None)
    detail = {
        _SUBMITTED: fields.text(_SUBMITTED),
        "task_id": fields.id("id"),
        "steps": Rows(("phase", *_STEP), tuple(_step(each) for each in steps)) if steps else None,
    }
    times = min(begins, default=None), None if None in ends else last
    return _operation(fields, run, state, times, _step_counts(fields, steps), detail)


def _steps(fields: json_fields.Fields) -> Iterator[json_fields.Fields]:
    """Yield the steps, each with the name of its phase."""
    for item in (fields.row(each or {}, "items.") for each in fields.objects("items") or []):
        for step in item.objects("sub_items") or []:
            yield item.row({**(step or {}), "phase": item.text("item_name")}, "sub_items.")


def _step(step: json_fields.Fields) -> tuple[Any, ...]:
    estimate = step.data.get("estimated_time")
    known = type(estimate) is int and estimate >= 0  # -1 is not known
    return (*(step.text(name) for name in ("phase", *_STEP[:-1])), estimate if known else None)


def _step_counts(fields: json_fields.Fields, steps: Collection[json_fields.Fields]) -> dict[Measure, float]:
    """Count the steps; where the word of one cannot be read no number of them is known."""
    states = [meaning(step.text("status") or "", words.STEPS) for step in steps]
    if None in states:
        fields.unreadable("items")
    if not states or None in states:
        return {}
    return {_PLANNED: float(len(states))} | {Measure("tasks", each): float(states.count(each)) for each in _TASKS}
