"""The text of a journal: a version, and one line for each job.

Parsing is strict: a file that this version could not have written is refused completely, so that no partly read total
is shown as a true one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from exporter.model.job import Job, JobKey
from exporter.model.packed import Packed
from exporter.model.promises import MetDeadlines
from exporter.model.run import UNTIMED, Ledger, Paid, RunId, RunTimes

FORMAT: Final = "huaweicloud-job-exporter journal"
VERSION: Final = 1
_Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Run = tuple[str, _Amount | None]
_Whole = Annotated[int, Field(ge=0)]
_Times = tuple[_Whole, _Whole, list[_Whole]]


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """What is kept of one job."""

    key: JobKey
    project: str
    target: Mapping[str, str]
    ledger: Ledger
    gone: float | None = None
    """Unix time since when nothing registers it; ``None`` if something does."""

    @classmethod
    def of(cls, job: Job, ledger: Ledger, gone: float | None = None) -> "JournalEntry":
        """Return the entry of a registered job, or of one that is *gone*."""
        return cls(job.key, job.project, job.target, ledger, gone)


class ForeignError(Exception):
    """Text that this version did not write; its sentence is for the operator."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    service: str
    job: str
    project: str
    target: dict[str, str]
    gone: _Amount | None
    floor: Run | None
    counts_from: _Amount | None = None
    beyond: list[Run]
    lately: list[Run] = []
    open: list[Run]
    unnamed: bool = False
    anew: _Amount | None = None
    paid: list[tuple[Run, _Whole, dict[str, _Whole | _Amount]]] = []
    ended: Run | None
    ended_start: _Amount | None = None
    ended_end: _Amount | None = None
    ended_seen: _Amount | None = None
    last_run_duration: _Amount | None = Field(default=None, exclude=True)
    """Written by version 0.1.0 instead of start and end, which are shown again once the next run has ended."""
    succeeded: Run | None
    failed: Run | None = None
    succeeded_before: tuple[Run, _Amount] | None = None
    failed_before: tuple[Run, _Amount] | None = None
    runs: tuple[_Whole, _Whole, _Whole]
    totals: dict[str, _Whole | _Amount]
    last_success: _Amount | None
    last_failure: _Amount | None = None
    took: tuple[_Times, _Times, _Times] | None = None
    bounds: list[_Amount] = []
    untimed: list[Run] = []
    met: tuple[str, _Amount, _Amount | None, tuple[_Amount, _Amount | None] | None] | None = None

    @model_validator(mode="after")
    def _each_bucket_has_its_bound(self) -> Self:
        if any(buckets and len(buckets) != len(self.bounds) for _, _, buckets in self.took or ()):
            raise ValueError("there are not as many buckets as bounds")
        return self


class _Journal(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["huaweicloud-job-exporter journal"]
    version: Literal[1]
    jobs: list[_Entry]


def written(entries: Iterable[JournalEntry]) -> Iterator[bytes]:
    """Yield the text that holds *entries*, in parts."""
    head = f'{{"format": "{FORMAT}", "version": {VERSION}, "jobs": ['
    for entry in entries:
        yield f"{head}\n{_entry(entry).model_dump_json()}".encode()
        head = ","
    yield b"\n]}\n" if head == "," else f"{head}]}}\n".encode()


def read_journal(text: bytes) -> list[JournalEntry]:
    """Return what *text* holds; raises :class:`ForeignError` for whatever this version did not write."""
    try:
        journal = _Journal.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise ForeignError(f"it is no journal of version {VERSION}: {place}: {first['msg']}") from None
    return [_read(each) for each in journal.jobs]


def _entry(entry: JournalEntry) -> _Entry:
    ledger = entry.ledger
    return _Entry.model_construct(
        service=entry.key.service,
        job=entry.key.job,
        project=entry.project,
        target=dict(entry.target),
        gone=entry.gone,
        floor=_run(ledger.floor),
        counts_from=ledger.counts_from,
        beyond=[(run.id, run.created) for run in ledger.beyond],
        lately=[(run.id, run.created) for run in ledger.lately],
        open=[(run.id, run.created) for run in ledger.open],
        unnamed=ledger.unnamed,
        anew=ledger.anew,
        paid=[((each.run.id, each.run.created), each.waits, dict(each.amounts)) for each in ledger.paid],
        ended=_run(ledger.ended),
        ended_start=ledger.ended_start,
        ended_end=ledger.ended_end,
        ended_seen=ledger.ended_seen,
        succeeded=_run(ledger.succeeded),
        failed=_run(ledger.failed),
        succeeded_before=_last(ledger.succeeded_before),
        failed_before=_last(ledger.failed_before),
        runs=ledger.runs,
        totals=dict(ledger.totals),
        last_success=ledger.last_success,
        last_failure=ledger.last_failure,
        took=None if ledger.took == UNTIMED else _written_times(ledger.took),
        bounds=list(ledger.bounds),
        untimed=[(run.id, run.created) for run in ledger.untimed],
        met=ledger.met,
    )


def _read(entry: _Entry) -> JournalEntry:
    ledger = Ledger(
        floor=_run_id(entry.floor),
        counts_from=entry.counts_from,
        beyond=tuple(RunId(*run) for run in entry.beyond),
        lately=tuple(RunId(*run) for run in entry.lately),
        open=tuple(RunId(*run) for run in entry.open),
        unnamed=entry.unnamed,
        anew=entry.anew,
        paid=tuple(Paid(RunId(*run), waits, Packed(amounts)) for run, waits, amounts in entry.paid),
        ended=_run_id(entry.ended),
        ended_start=entry.ended_start,
        ended_end=entry.ended_end,
        ended_seen=entry.ended_seen,
        succeeded=_run_id(entry.succeeded),
        failed=_run_id(entry.failed),
        succeeded_before=_last_run(entry.succeeded_before),
        failed_before=_last_run(entry.failed_before),
        runs=entry.runs,
        totals=entry.totals,
        last_success=entry.last_success,
        last_failure=entry.last_failure,
        took=UNTIMED if entry.took is None else _times(entry.took),
        bounds=tuple(entry.bounds),
        untimed=tuple(RunId(*run) for run in entry.untimed),
        met=None if entry.met is None else MetDeadlines(*entry.met),
    )
    return JournalEntry(JobKey(entry.service, entry.job), entry.project, entry.target, ledger, entry.gone)


def _written_times(took: tuple[RunTimes, RunTimes, RunTimes]) -> tuple[_Times, _Times, _Times]:
    succeeded, failed, cancelled = ((each.runs, each.milliseconds, list(each.buckets)) for each in took)
    return succeeded, failed, cancelled


def _times(took: tuple[_Times, _Times, _Times]) -> tuple[RunTimes, RunTimes, RunTimes]:
    succeeded, failed, cancelled = (RunTimes(runs, total, tuple(buckets)) for runs, total, buckets in took)
    return succeeded, failed, cancelled


def _run(run: RunId | None) -> tuple[str, float | None] | None:
    return None if run is None else (run.id, run.created)


def _last(last: tuple[RunId, float] | None) -> tuple[tuple[str, float | None], float] | None:
    return None if last is None else ((last[0].id, last[0].created), last[1])


def _last_run(last: tuple[tuple[str, float | None], float] | None) -> tuple[RunId, float] | None:
    return None if last is None else (RunId(*last[0]), last[1])


def _run_id(run: tuple[str, float | None] | None) -> RunId | None:
    return None if run is None else RunId(*run)
