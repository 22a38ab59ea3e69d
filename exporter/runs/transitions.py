"""What a job's record becomes when a poll succeeds, fails, or when none has succeeded for too long.

A failure never changes a "last success", and a response that contains less never erases counts. The counts over all
runs are in :mod:`exporter.runs.accounting`.
"""

from collections.abc import Sequence

from exporter.model.frozen import replace
from exporter.model.job import Job
from exporter.model.reason import Reason
from exporter.model.record import Fault, Record
from exporter.model.run import NAMELESS, Ledger, RunId, duration
from exporter.model.snapshot import NOTHING, Snapshot, State
from exporter.runs import accounting, estimate, first_seen, known_runs, waiting
from exporter.runs.counters import recounted, with_ledger
from exporter.runs.outdated import is_outdated
from exporter.runs.same_run import at_rest, continued, ended_at, final_counts, moved, of_known_run, unsettled
from exporter.services.adapter import Adapter


def registered(job: Job, adapter: Adapter, registration_id: int = 0, bounds: tuple[float, ...] = ()) -> Record:
    """Return the record of a job that nobody asked for yet; *bounds* as for :func:`accounting.begun`."""
    ledger = accounting.begun(adapter, bounds)
    return with_ledger(Record(job, ledger=ledger, registration_id=registration_id), ledger)


def resumed(record: Record, kept: Ledger, on_disk: Ledger | None, adapter: Adapter) -> Record:
    """Return the record of a job of which a journal kept something, and holds *on_disk* by now."""
    bounds = record.ledger.bounds
    record = recounted(replace(record, journaled=True), accounting.resumed_ledger(kept, adapter).bucketed(bounds))
    if on_disk is None:
        return record
    return with_ledger(record, accounting.resumed_ledger(on_disk, adapter).bucketed(bounds))


def returned(record: Record, before: Record) -> Record:
    """Return the record of a job that was gone for a while with what was counted *before*, unless a journal has it."""
    record = replace(record, failures=before.failures)
    return record if record.journaled else recounted(record, before.ledger.bucketed(record.ledger.bounds))


def worked(
    record: Record,
    answer: Snapshot,
    at: float,
    adapter: Adapter,
    steady: float | None = None,
    cloud: float | None = None,
) -> Record:
    """Return the record after a poll at *at* (Unix seconds) that gave *answer*.

    *steady* is the same moment by the clock that never jumps, and *cloud* by the cloud's, by which a run begins and
    ends. Where they are left out, the clocks agree.
    """
    steady, cloud = at if steady is None else steady, at if cloud is None else cloud
    answer = of_known_run(record, at_rest(record, answer), adapter)
    if is_outdated(record, answer):
        told = steady if record.answered_at is None else record.answered_at  # for how long it is no news
        record = replace(record, answered_at=told, up=None if record.up is None else True, fault=None, failing=0)
        if record.ledger.floor is None:
            return record  # counting begins with the run that the list reports
        return recounted(record, accounting.accounted(record.ledger, answer, cloud, gaps=adapter.past is not None))
    settled = not (record.awaits or record.unsettled)
    if answer is record.snapshot and record.up and record.fault is None and settled:
        # The same answer once more: only the time went on.
        left = estimate.still(record, at, steady)
        since = record.pending_since if record.listed is None else waiting.since(record, answer, at, adapter)
        return replace(record, polled_at=at, answered_at=steady, listed=None, estimate=left, pending_since=since)
    after, since = _answered(record, answer, at, adapter, steady, cloud), waiting.since(record, answer, at, adapter)
    waited_at = waiting.seen_at(record, answer, steady)
    if (since, waited_at) == (after.pending_since, after.waited_at):
        return after
    return replace(after, pending_since=since, waited_at=waited_at)


def _answered(record: Record, answer: Snapshot, at: float, adapter: Adapter, steady: float, cloud: float) -> Record:
    """Return the record after a poll whose answer is not the one before."""
    before = record.snapshot
    same = before is not None and before.of_same_run(answer)
    had_ended = before is not None and same and before.ended
    last, reported = (record.last_counts, record.evidence) if same else (NOTHING, b"")
    answer = continued(record, before if same else None, answer, steady, adapter)
    final = adapter.final and had_ended and before is not None and before.state is answer.state
    confirmed, gaps = final or not adapter.final, adapter.past is not None
    again = adapter.final and not record.final if had_ended else before is not None and before.surely_another(answer)
    seen_at = cloud if record.ended_at is None or not final else record.ended_at  # what confirms an end is no later end
    ledger = first_seen.begun_by_list(record.ledger, answer, gaps=gaps)
    fuller = answer if ledger is record.ledger else replace(answer, others=())  # these the history has
    ledger = _placed(accounting.accounted(ledger, fuller, seen_at, confirmed=confirmed, again=again, gaps=gaps), answer)
    durations, planned = _earlier(record, answer, ledger, reported)
    evidence = estimate.follow(reported, answer, adapter.work, record.answered_at, cloud, steady)
    kept = final_counts(record, answer, same=same, adapter=adapter) if answer.ended else answer.counts
    return replace(
        recounted(record if same and not waiting.again(before, answer) else replace(record, details=None), ledger),
        snapshot=answer if kept is answer.counts and not answer.others else replace(answer, counts=kept, others=()),
        stale=False,
        up=True,
        polled_at=at,
        answered_at=steady,
        ended_at=ended_at(record, answer, cloud, had_ended=had_ended),
        final=final,
        fault=None,
        failing=0,
        last_progress=at if not same or moved(record, answer) else record.last_progress,
        last_counts=answer.counts or last,
        last_said_progress=answer.progress if answer.progress is not None or not same else record.last_said_progress,
        listed=None,
        by_lists=record.by_lists if same and had_ended == answer.ended else NOTHING,
        unsettled=unsettled(record, answer, cloud, same=same, adapter=adapter),
        estimate=estimate.forecast(evidence, answer, durations, planned, at, steady, cloud),
        evidence=evidence if ledger.runs == record.ledger.runs else b"",
        durations=durations,
        planned=planned,
    )


def _placed(ledger: Ledger, answer: Snapshot) -> Ledger:
    """Return the ledger without ``counts_from``, unless a history is to be read after *answer*: that needs it."""
    if ledger.counts_from is None or accounting.incomplete(ledger, answer.run):
        return ledger
    return replace(ledger, counts_from=None)


def looked_back(
    record: Record, found: Sequence[Snapshot], at: float, counted: list[Snapshot] | None = None, *, whole: bool = True
) -> Record:
    """Return the record after the history of its runs was read at *at*; the runs that now count join *counted*.

    If it is not *whole*, runs of it were reported as missed.
    """
    ledger = first_seen.found_by_history(record.ledger, found)
    return recounted(record, accounting.look_back(ledger, found, at, counted, whole=whole))


def first_listed(record: Record, answer: Snapshot, at: float) -> Record:
    """Return the record after a list reported *answer*; it changes only if the job was not polled yet.

    Then the job's runs count from here on: the one under way, once it ends, and each that begins later. *at* is by the
    cloud's clock, because it is compared with the times that the cloud gives for runs.
    """
    if record.snapshot is not None or record.ledger.floor is not None:
        return record
    if answer.run != NAMELESS:
        ledger = record.ledger if answer.ended else accounting.accounted(record.ledger, answer, at, gaps=False)
        return recounted(record, ledger)
    if record.ledger.counts_from is not None:
        return record
    return recounted(record, replace(record.ledger, counts_from=first_seen.counts_from(answer, at)))


def listed_earlier(record: Record, answer: Snapshot, at: float) -> Record:
    """Return the record after a list's *answer* at *at* about a run before the newest one: it only counts.

    Where no run has a name yet, it may be any of those that were counted, so it does not count.
    """
    if record.ledger.floor in (None, NAMELESS):
        return record
    return recounted(record, accounting.accounted(record.ledger, answer, at, gaps=False))


def replaced(record: Record, answer: Snapshot, at: float) -> Record:
    """Return the record after an *answer* about a run that was replaced: it counts, and ends no other one."""
    ledger = accounting.accounted(record.ledger, answer, at, gaps=False)
    unended = record.ledger.open if answer.run == NAMELESS else ledger.open
    return recounted(record, replace(ledger, open=unended))


def given_up(record: Record, run: RunId) -> Record:
    """Return the record once nothing tells any more how *run* ended."""
    return recounted(
        record, replace(record.ledger, open=tuple(each for each in record.ledger.open if not each.same(run)))
    )


def listed_runs(
    record: Record, runs: Sequence[Snapshot], since: float | None, at: float, counted: list[Snapshot], met: float | None
) -> Record:
    """Return the record after a list reported *runs* of the job's name, from old to new, the registered one among them.

    That one is counted by its own answers; those between it and the newest one that was known before are counted here.
    Of a job that is new, all runs count that began after *since*, the first reading of the list (``None``: this one).
    One that had ended before *met*, when that first reading began, never counts, unless there is a journal.
    A job's own answer may tell no creation, by which alone runs without numbers are ordered: the list reports it. Those
    that now count join *counted*.
    """
    ledger, registered = known_runs.dated(record.ledger, [each.run for each in runs]), tuple(record.job.target.values())
    if ledger.floor is None:
        new = [each.run for each in runs if first_seen.began_after(each, since)]
        if not new:
            return record
        ledger = replace(ledger, floor=new[0], open=(new[0],))
    early = {each.run for each in runs if not record.journaled and first_seen.ended_before(each, met)}
    ledger = first_seen.without(ledger, (run for run in early if run.id in registered), accounting.KEPT)
    floor = ledger.floor or NAMELESS
    others = (each for each in runs if each.run.created and each.run.id not in registered and each.run not in early)
    # of runs that began at the same time nobody knows which came after the other
    reported = [each for each in others if each.run.after(floor) or first_seen.began_after(each, since)]
    return recounted(record, accounting.all_accounted(ledger, reported, at, counted))


def failed(record: Record, fault: Fault, steady: float | None = None) -> Record:
    """Return the record after a poll that failed; *steady* as in :func:`worked`."""
    old = record.snapshot
    if fault.reason is Reason.NOT_FOUND and old is not None and old.disposable:
        return _disposed(record, old)
    failures = {**record.failures, fault.reason: record.failures.get(fault.reason, 0) + 1}
    if fault.reason is Reason.NOT_FOUND:  # forgotten by the cloud, perhaps after it reported the end once
        record = recounted(record, _with_unconfirmed_end(record))
    failed_at = fault.at if steady is None else steady
    return replace(record, up=False, fault=fault, failing=record.failing + 1, failures=failures, failed_at=failed_at)


def _with_unconfirmed_end(record: Record) -> Ledger:
    """Return the ledger with the end that the job's last answer told, if it told one: no other poll will confirm it.

    The last answer may be about an earlier run of this name, until the present one is polled; that one counted already.
    """
    last = record.snapshot
    if last is None or not last.ended or record.final or record.ended_at is None:
        return record.ledger
    if last.run.id not in ("", *record.job.target.values()):
        return record.ledger
    return accounting.accounted(record.ledger, last, record.ended_at, gaps=False)


def paused(record: Record, why: Fault) -> Record:
    """Return the record after its job was due while calls are paused: no poll, so none failed.

    What the last poll reported holds until it is too old; *why* it is not asked is kept to be shown.
    """
    return replace(record, fault=why)


def _disposed(record: Record, old: Snapshot) -> Record:
    """Return the record of a job that was deleted after its run, as was announced.

    How a run ended that was not seen to end is not known, and it counts as nothing. The job is over, as a run that is
    final; it is still asked for now and then, because another may get its name.
    """
    if not old.ended:
        kept = tuple(run for run in record.ledger.open if run != old.run and not run.same(old.run))
        record = recounted(record, replace(record.ledger, open=kept))
        old = replace(old, state=State.UNKNOWN, native_state="", progress=None, end=None)
    return replace(
        record,
        snapshot=replace(old, digest=b""),
        stale=False,
        up=True,
        final=True,
        fault=None,
        failing=record.failing + 1,
        listed=None,
        listed_at=None,
        pending_since=None,
        estimate=None,
        evidence=b"",
    )


def aged(record: Record) -> Record:
    """Return the record once its values are too old to be shown; a run that is final does not age."""
    return record if record.final else replace(record, stale=True, up=False)


def next_run(record: Record, job: Job, registration_id: int) -> Record:
    """Return the record once *job*, under the same name, is another run: what was counted stays, nothing is shown.

    The old run's last answer stays too, unseen, because by it the end of the new run is news. If it tells an end that
    was not confirmed, that one counts.
    """
    return replace(
        recounted(record, _with_unconfirmed_end(record)),
        job=job,
        registration_id=registration_id,
        stale=record.snapshot is not None,
        up=None,
        final=False,
        fault=None,
        failing=0,
        pending_since=None,
        listed=None,
        listed_at=None,
    )


def _earlier(
    record: Record, answer: Snapshot, ledger: Ledger, evidence: bytes
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return what is known of earlier runs: one that succeeded is added when it is counted, timed, or first seen."""
    durations, planned = record.durations, record.planned
    if answer.state is not State.SUCCEEDED:
        return durations, planned
    new = ledger.runs != record.ledger.runs or (record.snapshot is None and record.ledger.floor is None)
    if new or ledger.took != record.ledger.took:
        durations = estimate.remembered(durations, duration(answer.start, answer.end))
    return durations, estimate.remembered(planned, estimate.planned(evidence)) if new else planned
