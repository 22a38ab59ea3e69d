"""One SQL job as a list or its status reports it.

Source: DLI API reference, table 5 of "Querying All Jobs" (ListSqlJobs) and table 2 of "Querying Job Status"
(ShowSqlJobStatus). ``statement`` is the user's SQL and ``user_conf`` may hold what is secret: they are never read.
"""

from collections.abc import Mapping
from typing import Any, Final

from exporter.model.errors import first_line
from exporter.model.measures import MeasureFamily
from exporter.model.packed import Packed
from exporter.model.run import RunId
from exporter.model.snapshot import NOTHING, Measure, Snapshot, State
from exporter.services import json_fields
from exporter.services.codes_in_text import failure_code
from exporter.services.dli.words import STATES
from exporter.services.listing import ListedJob

_SO_FAR: Final = "; while a job runs, as last reported by the list"
WORDS: Final = ("job_id", "job_type", "queue_name", "owner", "database_name")
"""What a name can be made of."""
RUN_LABELS: Final = ("queue_name", "owner", "job_type")
_OTHER_WORDS: Final = (
    *("table_name", "engine_type", "job_mode", "result_format", "result_path", "execution_details_path"),
)
"""What page and JSON show besides."""
ROW_MEASURES: Final = (
    MeasureFamily(
        "rows_read",
        "Rows that an INSERT read, from DLI input_row_count" + _SO_FAR,
        total="Rows that INSERTs read, from DLI input_row_count",
    ),
    MeasureFamily(
        "bad_rows",
        "Rows that an INSERT could not read, from DLI bad_row_count" + _SO_FAR,
        total="Rows that INSERTs could not read, from DLI bad_row_count",
    ),
    MeasureFamily("result_rows", "Rows of the result, or that an INSERT wrote, from DLI result_count" + _SO_FAR),
    MeasureFamily(
        "read_bytes",
        "Bytes of the files scanned, from DLI input_size" + _SO_FAR,
        "bytes",
        total="Bytes of the files scanned, from DLI input_size",
    ),
    MeasureFamily(
        "written_bytes",
        "Bytes of the output, from DLI output_byte",
        "bytes",
        total="Bytes of the output, from DLI output_byte",
    ),
    MeasureFamily(
        "cpu_seconds",
        "CPU time of all cores together, from DLI cpu_cost, whose unit is core x ms according to the console",
        "seconds",
        total="CPU time of all cores together, from DLI cpu_cost",
    ),
)
_COUNTS: Final = {
    "input_row_count": Measure("rows_read"),
    "bad_row_count": Measure("bad_rows"),
    "result_count": Measure("result_rows"),
    "input_size": Measure("read_bytes"),
    "output_byte": Measure("written_bytes"),
}
_CPU: Final = Measure("cpu_seconds")


def listed_job(row: Mapping[str, Any], noted: list[str]) -> ListedJob | None:
    """Read a row; a job without an id cannot be asked for, so it is noted instead."""
    fields = json_fields.Fields(row)
    job_id = fields.id("job_id")
    if job_id is None:
        noted.append("jobs")
        return None
    words = {name: text for name in WORDS if (text := fields.id(name)) is not None}
    tags, tagged = _tags(fields)
    start = fields.moment("start_time")
    snapshot = _snapshot(fields, job_id, start, words)
    if snapshot is None:
        noted += fields.unknown
    return ListedJob(Packed({"job_id": job_id}), words | tags, snapshot, start, tagged)


def _snapshot(
    fields: json_fields.Fields, job_id: str, start: float | None, words: Mapping[str, str]
) -> Snapshot | None:
    word = fields.text("status")
    message, end = fields.text("message"), _end(fields, start)
    if word is None:
        return None
    state, native = fields.state("status", word, STATES)
    detail = {"job_id": job_id, "message": first_line(message or "") or None}
    more = {name: text for name in _OTHER_WORDS if (text := fields.id(name)) is not None}
    return Snapshot(
        state=state,
        native_state=native,
        run=RunId(job_id, start, opaque=True),
        progress=1.0 if state is State.SUCCEEDED else None,
        start=start,
        end=end if state.ended else None,
        failure_code=failure_code(message) if state is State.FAILED else None,
        counts=NOTHING if state is State.PENDING else _counts(fields),
        words=Packed({name: text for name, text in {**words, **more}.items() if name != "job_id"}),
        detail=Packed({name: value for name, value in detail.items() if value is not None}),
        unknown=tuple(fields.unknown),
    )


def _end(fields: json_fields.Fields, start: float | None) -> float | None:
    """Return when the job ended, if it has: the status reports its duration instead, which is from start to end."""
    end, duration = fields.moment("end_time"), fields.amount("duration")
    if end is not None or start is None or duration is None:
        return end
    return (round(start * 1000) + round(duration)) / 1000


def _counts(fields: json_fields.Fields) -> Mapping[Measure, float]:
    counts = {measure: value for name, measure in _COUNTS.items() if (value := fields.count(name)) is not None}
    cost = fields.amount("cpu_cost")
    return Packed(counts if cost is None else counts | {_CPU: cost / 1000})


def _tags(fields: json_fields.Fields) -> tuple[dict[str, str], bool]:
    """Return the tags that can be read, and whether these are all that the job has."""
    words: dict[str, str] = {}
    items = fields.objects("tags")
    for item in items or []:
        tag = fields.apart(item or {})
        key, value = tag.id("key"), tag.id("value")
        if tag.unknown:
            fields.unreadable("tags")
        if key is not None and value is not None:
            words[f"tags.{key}"] = value
    return words, items is not None and len(words) == len(items)
