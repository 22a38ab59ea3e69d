"""The content of the page of one job: everything known about it, its past, and texts to copy. Runs in a thread."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from exporter.model.masking import repeated_fields
from exporter.model.record import Record
from exporter.model.snapshot import State
from exporter.runs.past import Failure, JobPast, Turn
from exporter.services import registry
from exporter.web.page import charts
from exporter.web.page.addresses import Viewer, link
from exporter.web.page.job_row import before_now, job_row, live_run, meaning_of, service_of
from exporter.web.page.texts import Texts
from exporter.web.ports import Exporter


class _Part(NamedTuple):
    """A part of a run, such as a sub-job."""

    number: str
    name: str
    status: str
    planned: float | None
    done: float | None
    failed: float | None
    began: float | None
    ended: float | None
    current: bool

    @property
    def ratio(self) -> float | None:
        """How much of it is done, by its own counts."""
        if not self.planned or self.done is None or self.done > self.planned:
            return None
        return self.done / self.planned


class _JobEvent(NamedTuple):
    """Something that happened to a job."""

    at: float
    turn: Turn | None = None
    failure: Failure | None = None


def single(record: Record, exporter: Exporter, viewer: Viewer) -> dict[str, Any]:
    """Return the view of one job."""
    past = exporter.past(record.job.key)
    before = before_now(past)
    shown = record.shown
    detail = {} if shown is None else repeated_fields(shown.detail_json(), exporter.vendor_text)
    row = {
        **job_row(record, exporter, before, viewer),
        "detail": detail,
        "unwritten": max(0, sum(record.ledger.runs) - sum(record.runs)),
        "api": "api/v1/" + link(*record.job.key),
        "api_runs": "api/v1/" + link(*record.job.key, under="/runs"),
    }
    newest = record.newest
    until = record.polled_at if row["end"] is None or row["stale"] else row["end"]
    start = None if newest is None else newest.start
    live = live_run(record)
    lines = exporter.lines(record.job.key).decode("utf-8", "replace").splitlines()
    return {
        "now": viewer.now,
        "job": row,
        "viewer": viewer,
        "here": partial(_here, row["link"], viewer),
        "identity": list(registry.declared().identity),
        "past": past,
        "run_meanings": {run.code: meaning_of(record, run.code) for run in past.runs} if past else {},
        "watch": viewer.watch,
        "plot": _plot(past, start, until, row["estimated_completion"], viewer.say),
        "bars": None if past is None else charts.bars(past, None if live is None else row["elapsed"], viewer.say),
        "usual": before.usual,
        "parts": _parts(record, row["detail"]),
        "parts_word": "" if service_of(record).parts is None else service_of(record).parts.word,  # type: ignore[union-attr]
        "rest": _rest(record, row),
        "events": _events(past),
        "lines": [(line, line.rpartition(" ")[0]) for line in lines],
        "console": exporter.console(record),
        "failed_run": newest is not None and newest.state is State.FAILED,
    }


def _here(path: str, viewer: Viewer, **changes: str) -> str:
    """Return the query string of this page with other choices."""
    return "?" + viewer.to(path, **changes).partition("?")[2]


def _plot(
    past: JobPast | None, start: float | None, until: float | None, expected: float | None, say: Texts
) -> charts.Plot | None:
    if past is None or until is None:
        return None
    return charts.plot(past, start, until, expected, say)


def _parts(record: Record, detail: Mapping[str, Any]) -> list[_Part]:
    declared = service_of(record).parts
    if declared is None:
        return []
    current = detail.get(declared.current)
    return [
        _Part(
            number=str(part.get(declared.id, "")).removesuffix(".0"),
            name=str(part.get(declared.name) or ""),
            status=str(part.get(declared.status) or ""),
            planned=part.get(declared.planned),
            done=part.get(declared.done),
            failed=part.get(declared.failed),
            began=part.get(declared.began),
            ended=part.get(declared.ended),
            current=current is not None and part.get(declared.id) == current,
        )
        for part in detail.get(declared.field) or []
    ]


def _rest(record: Record, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what else the service said: what is not shown in another form."""
    shown = {*record.job.target.values(), row["run_id"], row["complaint"] if row["failure_code"] else None}
    declared = service_of(record).parts
    current = None if declared is None else declared.current
    return {
        name: value
        for name, value in row["detail"].items()
        if name != current and not (isinstance(value, str) and value in shown)
    }


def _events(past: JobPast | None) -> list[_JobEvent]:
    """Return what happened to the job, the newest first."""
    if past is None:
        return []
    events = [_JobEvent(turn.at, turn=turn) for turn in past.turns]
    events += [_JobEvent(failure.at, failure=failure) for failure in past.failures]
    return sorted(events, key=lambda each: each.at, reverse=True)
