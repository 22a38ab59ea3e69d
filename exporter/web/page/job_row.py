"""The content that list and page of a job share, ready for the templates."""

from typing import Any, NamedTuple

from exporter.model.record import Record
from exporter.model.snapshot import Rows, State
from exporter.model.standing import STALE, standing
from exporter.runs.past import JobPast
from exporter.services import registry
from exporter.services.adapter import Adapter
from exporter.web.job_json import job_facts
from exporter.web.page import charts, formatting
from exporter.web.page.addresses import Viewer, link
from exporter.web.page.promises import broken_promises
from exporter.web.page.texts import Texts
from exporter.web.ports import Exporter


class BeforeNow(NamedTuple):
    """What a job's past says of the present."""

    since: float | None
    """When it began to be watched."""
    usual: charts.Usual | None


def before_now(past: JobPast | None) -> BeforeNow:
    """Return it."""
    return BeforeNow(None if past is None else past.since, charts.usual(past))


def job_row(record: Record, exporter: Exporter, before: BeforeNow, viewer: Viewer) -> dict[str, Any]:
    """Return what the templates show of a job."""
    due, where = exporter.next_due(record.job.key), link(*record.job.key)
    facts = job_facts(record, exporter.place(record), due, exporter.vendor_text)
    live, usual, shown = live_run(record), before.usual, record.shown
    elapsed = None if live is None or live.start is None else max(0.0, live.at - live.start)
    return {
        **facts,
        "streams": bool(facts["counts"].pop("streaming", 0)),
        "idle": shown is not None and shown.idle,
        "link": where,
        "href": viewer.to(where),
        "error_meaning": meaning_of(record, "" if record.fault is None else record.fault.code),
        "failure_meaning": meaning_of(record, facts["failure_code"] or ""),
        "reason": _without(facts["failure_code"] or "", facts["complaint"] or ""),
        "old": record.polled_at is not None and not record.up and not record.final,
        "known": _last_known(record),
        "part": _current_part(record, viewer.say),
        "elapsed": elapsed,
        "slow": usual if usual is not None and elapsed is not None and elapsed > usual.p90 else None,
        "waits_since": _waits_since(record),
        "broken": list(broken_promises(record, viewer.now, before.since)),
        "zone": exporter.zone(record.job.project) if viewer.clock == "cloud" else None,
    }


def _without(code: str, text: str) -> str:
    """Return *text* without the code that it begins with, which stands beside it."""
    if code and text.casefold().startswith(code.casefold()):
        return text[len(code) :].lstrip(" :-,;") or text
    return text


def live_run(record: Record) -> charts.Live | None:
    """Return the run that was under way when the job was last answered."""
    shown = record.shown
    if shown is None or shown.state is not State.RUNNING or record.polled_at is None:
        return None
    return charts.Live(shown.start, record.polled_at)


def _last_known(record: Record) -> dict[str, Any] | None:
    """Return what was last known of a job of which nothing is known any more, and since when it is not."""
    newest = record.newest
    if standing(record) != STALE or newest is None or record.polled_at is None:
        return None
    return {
        "state": newest.state.value,
        "native_state": newest.native_state,
        "progress": newest.progress,
        "start": newest.start,
        "end": newest.end,
        "run_id": newest.run.label,
        "at": record.polled_at,
    }


def _waits_since(record: Record) -> float | None:
    """Return since when a run waits, where the cloud says when it was created."""
    shown = record.shown
    return shown.run.created if shown is not None and shown.state is State.PENDING else None


def _current_part(record: Record, say: Texts) -> str:
    """Return which part of the run the progress is of, where the service reports it so."""
    declared, shown = service_of(record).parts, record.shown
    if declared is None or shown is None or shown.state is not State.RUNNING or shown.progress is None:
        return ""
    current, rows = shown.detail.get(declared.current), shown.detail.get(declared.field)
    if current is None:
        return ""
    ids = rows.column(declared.id) if isinstance(rows, Rows) else ()
    more = shown.detail.get(declared.left_out) or 0
    if current in ids and ids[0] == 0:
        number, count = ids.index(current) + 1, formatting.exact_text(len(ids) + more)
        return say("of {part} {number} of {count}", part=say(declared.word), number=number, count=count)
    # the answer may leave out those that ended
    return say("of {part} {number}", part=say(declared.word), number=formatting.exact_text(current))


def meaning_of(record: Record, code: str) -> str:
    """Return what the vendor's own table of codes says of one, empty if that is not known."""
    return service_of(record).codes.meanings.get(code.upper(), "")


def service_of(record: Record) -> Adapter:
    """Return what is declared of a job's service."""
    return registry.load_services()[record.job.key.service]
