"""Counts each run of a job exactly once, in whatever order and however often responses report it.

The newest run at the first successful poll is the baseline: it counts if it was alive by then, and so does every newer
run. If its state was unknown, it counts if a later answer shows it alive. From then on each run is either known or
unknown. All runs up to the *floor* are known, and *beyond* it those that were seen. An unknown run is counted when it
has ended, and is known from then on. Runs are ordered by the vendor's ids and dates of them, never by our clock.

A status response usually reports only the newest run. If there may have been other runs since the floor, the floor
stays, and the new run is one beyond it, until the job's history has reported all runs in between. If the ids of runs
have no order (DLI, DWS), the floor stays, because a name whose newest run is gone may stand for an earlier run again.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from exporter.model.frozen import replace
from exporter.model.packed import Packed
from exporter.model.run import NAMELESS, Ledger, Paid, RunId
from exporter.model.snapshot import RESULTS, Measure, Snapshot, State
from exporter.runs import first_seen, known_runs, last_ends, late_runs, renumbering, unended
from exporter.runs.run_times import counted_untimed, timed
from exporter.services.adapter import Adapter

TRIES: Final = 10
"""After a run succeeded, so many responses may come without its counters: CDM may report them after the end."""
KEPT: Final = 64
"""Runs of one job that are remembered one by one, so that a journal stays small. With one more the oldest becomes the
floor, and unknown runs below it are never counted: not counted, rather than counted twice."""


def begun(adapter: Adapter, bounds: tuple[float, ...] = ()) -> Ledger:
    """Return the ledger of a job that is new; *bounds* are those of the buckets for how long its runs take."""
    return _begun(adapter.sums, bounds)


@lru_cache
def _begun(sums: tuple[str, ...], bounds: tuple[float, ...]) -> Ledger:
    """Return one ledger for all jobs that add up the same: many are registered, and not all are polled yet."""
    return Ledger(totals=Packed(dict.fromkeys(sums, 0)), bounds=bounds)


def resumed_ledger(kept: Ledger, adapter: Adapter) -> Ledger:
    """Return what a journal holds as the ledger of a job of *adapter*: another version may have added up others."""
    totals = Packed({name: kept.totals.get(name, 0) for name in adapter.sums})
    return replace(kept, totals=totals, paid=kept.paid if adapter.sums else ())


def accounted(
    ledger: Ledger, answer: Snapshot, at: float, *, confirmed: bool = True, again: bool = False, gaps: bool
) -> Ledger:
    """Return the ledger after an *answer* at *at* (Unix seconds by the cloud's clock).

    An end that is not *confirmed* does not count yet. *again* is a nameless run that lives though it had ended at
    first sight, or is not the last. With *gaps* there may have been runs between, unless their ids exclude it.
    """
    known = others_accounted(ledger, answer, at, gaps=gaps)
    known = _accounted(known, answer, at, confirmed=confirmed, again=again, gaps=gaps)
    if ledger.floor is None:
        known = replace(known, floor=_raised(known.floor or NAMELESS, [each.run for each in answer.others]))
        for each in answer.others:
            known = _opened(known, each.run) if first_seen.is_alive(each) else known
    return ledger if known == ledger else known


def others_accounted(
    ledger: Ledger, answer: Snapshot, at: float, counted: list[Snapshot] | None = None, *, gaps: bool
) -> Ledger:
    """Return the ledger after the other runs that *answer* reports. None counts at the first look."""
    if ledger.floor is None:
        return ledger
    ledger = renumbering.begun_anew(ledger, answer.run) if gaps else ledger
    return all_accounted(ledger, answer.others, at, counted, gaps=gaps)


def all_accounted(
    ledger: Ledger, answers: Iterable[Snapshot], at: float, counted: list[Snapshot] | None = None, *, gaps: bool = False
) -> Ledger:
    """Return the ledger after several answers, none of the newest run; those that now count join *counted*."""
    for each in answers:
        before, ledger = ledger, _accounted(ledger, each, at, confirmed=True, again=False, gaps=gaps)
        if counted is not None and ledger.runs != before.runs:
            counted.append(each)
    return ledger


def _accounted(ledger: Ledger, answer: Snapshot, at: float, *, confirmed: bool, again: bool, gaps: bool) -> Ledger:
    if renumbering.forgotten(ledger, answer.run):
        return ledger
    unnamed = NAMELESS in ledger.open or (again and answer.run == NAMELESS)
    turned = unnamed or known_runs.entry(ledger.open, answer.run) is not None
    known = _known(ledger, answer, again=again, gaps=gaps)
    entry = known_runs.entry(known.open, answer.run)
    if entry is not None and answer.ended and confirmed:
        known = _added(known, entry, answer)
    if answer.state is State.SUCCEEDED and known.paid:
        known = _paid(known, answer)
    if answer.ended and confirmed:
        fuller = answer if entry is None or answer.run.created else replace(answer, run=answer.run.merged(entry))
        known = timed(last_ends.noted_end(known, fuller, at, turned=turned, counted=entry is not None), answer)
    return ledger if known == ledger else known


def look_back(
    ledger: Ledger, found: Sequence[Snapshot], at: float, counted: list[Snapshot] | None = None, *, whole: bool = True
) -> Ledger:
    """Return the ledger after *found*, the runs of a job's history back to the floor; those that count join *counted*.

    The history is as of its first page: a run that is newer than all of it is still one beyond the floor. If it is not
    *whole*, runs of it were reported as missed: none of them counts later.
    """
    named = [each for each in found if each.run != NAMELESS]
    # one that has no id may be any of those that have one and tell no creation
    unsure = any(each.run.id and each.run.created is None for each in named)
    rows = sorted((each for each in named if each.run.id or not unsure), key=lambda each: each.run.order)
    if ledger.floor is None:
        return ledger
    rows = [each for each in rows if not renumbering.before_all(ledger, each.run)]
    runs = [each.run for each in rows]
    ledger, cut = known_runs.with_ids(ledger, runs), renumbering.is_cut(ledger, runs)
    numbered = any(each.run.id for each in rows)  # then a run without a number counts, and is no mark for the others
    for each in rows:
        ledger = all_accounted(ledger, [each], at, counted, gaps=numbered and not each.run.id)
    for entry in ledger.paid:
        if rows and entry.waits and not known_runs.is_among(entry.run, runs):
            ledger = replace(ledger, paid=_waited(ledger.paid, entry, entry._replace(waits=entry.waits - 1)))
    # which of those that may be one of the runs beyond it is, only another reading can tell: none is known yet
    sure = [run for run in runs if not any(run.doubtful(each) for each in ledger.beyond)]
    marks = [run for run in sure if not renumbering.came_before(ledger, run) and (run.id or not numbered)]
    floor = _raised(ledger.floor or NAMELESS, marks)
    followed = [run for run in ledger.open if floor.newer(run) or renumbering.came_before(ledger, run)]
    absent = [run for run in followed if rows and not known_runs.is_among(run, runs)]
    beyond = tuple(run for run in ledger.beyond if _still_beyond(ledger, run, floor))
    ledger = replace(
        ledger,
        anew=renumbering.last_before(ledger, floor),
        floor=_holding(floor, (*runs, *ledger.beyond), beyond),
        beyond=beyond,
        lately=ledger.lately if whole and not cut else (),
        open=tuple(run for run in ledger.open if run not in absent),
        lost=ledger.lost + sum(run != NAMELESS for run in absent) + cut,
    )
    return unended.read_again(ledger)


def _raised(floor: RunId, runs: Iterable[RunId]) -> RunId:
    """Return *floor* once it holds up to all of *runs*."""
    for run in runs:
        floor = floor.raised(run) if run.newer(floor) else floor
    return floor


def _still_beyond(ledger: Ledger, run: RunId, floor: RunId) -> bool:
    """Whether a known run is still to be remembered one by one: none of before the numbers started again is."""
    return (run.newer(floor) or run.doubtful(floor)) and not (ledger.anew is not None and floor.renumbered(run))


def _holding(floor: RunId, known: Iterable[RunId], beyond: Sequence[RunId]) -> RunId:
    """Return *floor* so that none of the *known* runs is taken for one of numbers that started again.

    Those that are still *beyond* it are not up to it.
    """
    created = [run.created for run in known if run.created is not None and not known_runs.is_among(run, beyond)]
    return floor if floor.created is None else replace(floor, created=max({floor.created, *created}))


def _known(ledger: Ledger, answer: Snapshot, *, again: bool, gaps: bool) -> Ledger:
    """Return the ledger once the run of an answer is known to it; it is open if it counts now, or once it ends."""
    run, live, floor = answer.run, not answer.ended, ledger.floor
    if floor is None or (run == NAMELESS and floor == NAMELESS and not ledger.beyond):
        # where the first runs have no name, the state alone shows that one ended; a job that never ran has no word
        exists = answer.state is not State.PENDING or bool(answer.native_state)
        unnamed = run == NAMELESS and (ledger.unnamed or exists)
        opened = (run,) if first_seen.is_alive(answer) or again else () if floor is None else ledger.open
        return replace(ledger, floor=run, open=opened, unnamed=unnamed)
    if run == NAMELESS:
        return ledger  # where runs have names, an answer without one is about none
    if renumbering.came_before(ledger, run):
        return ledger
    if run.same(floor) or known_runs.is_among(run, ledger.beyond):
        ledger = ledger if run == floor else known_runs.fuller(ledger, run)
        return _opened(ledger, run) if first_seen.alive_later(ledger, answer) else ledger
    if late_runs.skipped(ledger, run):
        return _opened(replace(ledger, lately=late_runs.with_known(ledger, run)), run)
    if not run.newer(floor) or any(run.doubtful(each) for each in ledger.beyond):
        return ledger
    if floor == NAMELESS and not ledger.beyond and (ledger.unnamed or NAMELESS not in ledger.open):
        # it may be the one without a name: its end counts if that of the other did not
        return replace(ledger, floor=run, open=(run,) if live or NAMELESS in ledger.open else (), unnamed=False)
    pending = tuple(each for each in ledger.open if each != NAMELESS)
    # where nothing orders two runs, the floor excludes none: each is remembered, for the name may go back to it
    linked = late_runs.linked(ledger, run) if gaps else run.after(floor)
    beyond, floor = (ledger.beyond, floor.raised(run)) if linked else ((*ledger.beyond, run), floor)
    if len(beyond) > KEPT:
        floor, beyond = floor.raised(beyond[0]), beyond[1:]
    lately = late_runs.with_known(ledger, run)
    return _opened(replace(ledger, floor=floor, beyond=beyond, lately=lately, open=pending), run)


def _added(ledger: Ledger, entry: RunId, answer: Snapshot) -> Ledger:
    succeeded, failed, cancelled = (
        number + (result is answer.state) for number, result in zip(ledger.runs, RESULTS, strict=True)
    )
    paid = ledger.paid
    if answer.state is State.SUCCEEDED and ledger.totals:
        # a run without a name is one no more after the next
        others = [each for each in map(_aged, paid) if each.waits and each.run != entry]
        paid = (*others, Paid(entry.merged(answer.run), TRIES, Packed({})))[-KEPT:]
    return replace(
        ledger,
        open=tuple(run for run in ledger.open if run != entry),
        runs=(succeeded, failed, cancelled),
        paid=paid,
        untimed=counted_untimed(ledger.untimed, entry.merged(answer.run)),
    )


def _aged(entry: Paid) -> Paid:
    """Return an entry after another run was counted, with one wait less: counters of a replaced run may be lost."""
    return entry._replace(waits=max(0, entry.waits - 1)) if entry.run.opaque else entry


def _paid(ledger: Ledger, answer: Snapshot) -> Ledger:
    """Add what a run moved, as far as it was not added yet: its counters may come one by one, or grow after its end."""
    entry = next((each for each in ledger.paid if each.run == answer.run or each.run.same(answer.run)), None)
    if entry is None:
        return ledger
    before, amounts = entry.amounts, dict(entry.amounts)
    for name in ledger.totals:
        amounts[name] = max(answer.counts.get(Measure(name), 0), before.get(name, 0))
    amounts = {name: amount for name, amount in amounts.items() if name in before or Measure(name) in answer.counts}
    waits = max(0, entry.waits - 1) if answer.unknown or not amounts else 0
    return replace(
        ledger,
        totals=Packed(
            {name: total + amounts.get(name, 0) - before.get(name, 0) for name, total in ledger.totals.items()}
        ),
        paid=_waited(ledger.paid, entry, entry._replace(waits=waits, amounts=Packed(amounts))),
    )


def _waited(paid: tuple[Paid, ...], entry: Paid, after: Paid) -> tuple[Paid, ...]:
    """Return *paid* with *after* instead of *entry*; one that will never have any counters is forgotten."""
    left = [after] if after.waits or after.amounts else []
    return tuple(new for each in paid for new in (left if each is entry else [each]))


def incomplete(ledger: Ledger, newest: RunId) -> bool:
    """Whether the history may say what the job's own answer, about the *newest* run, does not."""
    others = (run for run in ledger.open if run != NAMELESS)
    return gap(ledger, newest) or any(not (run == newest or run.same(newest)) for run in others)


def gap(ledger: Ledger, newest: RunId) -> bool:
    """Whether the history is to be read at once: for more than the ends of runs before the *newest* one."""
    awaited = (each.run for each in ledger.paid if each.waits)
    return bool(ledger.beyond) or any(not (run == newest or run.same(newest)) for run in awaited)


def _opened(ledger: Ledger, run: RunId) -> Ledger:
    if known_runs.is_among(run, ledger.open):
        return ledger
    runs = (*ledger.open, run)
    if len(runs) <= KEPT:
        return replace(ledger, open=runs)
    oldest = next((each for each in runs if any(other.after(each) for other in runs)), runs[0])
    return replace(ledger, open=tuple(each for each in runs if each != oldest), lost=ledger.lost + 1)
