"""Which deadline is shown: the next one, or the first that was missed until a run succeeds."""

from dataclasses import replace
from datetime import datetime

from exporter.model.job import Job, JobKey
from exporter.model.promises import NO_PROMISES, Deadline, DueTime, Promises
from exporter.model.record import Record
from exporter.model.run import Ledger
from exporter.runs.deadlines import with_due_time
from exporter.runs.journal_format import JournalEntry, read_journal, written

DEADLINE = Deadline(6, 0, frozenset(range(7)), "UTC")
WEEKDAYS = Deadline(6, 0, frozenset(range(5)), "UTC")


def at(text: str) -> float:
    """Return a time of November 2026, such as ``23 06:00``; the 23rd is a Monday."""
    return datetime.fromisoformat(f"2026-11-{text}:00+00:00").timestamp()


def promised(deadline: Deadline | None = DEADLINE, now: str = "23 12:00", last_success: float | None = None) -> Record:
    job = Job(JobKey("cdm", "orders"), "prod", {}, promises=Promises(deadline=deadline))
    return with_due_time(Record(job, ledger=Ledger(last_success=last_success)), at(now))


def succeeded(record: Record, when: str, seen: str = "") -> Record:
    ledger = replace(record.ledger, last_success=at(when))
    return with_due_time(replace(record, ledger=ledger), at(seen or when))


def later(record: Record, now: str, *, clock_set: bool = False) -> Record:
    return with_due_time(record, at(now), clock_set=clock_set)


def open_until(when: str) -> DueTime:
    return DueTime(at(when), met=False)


def met_until(when: str) -> DueTime:
    return DueTime(at(when), met=True)


def test_the_first_deadline_is_the_next_one_after_the_promise() -> None:
    assert promised().due == open_until("24 06:00")
    assert promised(None).due is None
    assert promised(WEEKDAYS, "27 12:00").due == open_until("30 06:00")


def test_one_that_was_missed_stays_until_a_run_succeeds() -> None:
    record = later(later(promised(), "24 06:00"), "26 09:00")
    assert record.due == open_until("24 06:00")

    assert succeeded(record, "26 09:10").due == open_until("27 06:00")


def test_one_that_is_met_is_shown_until_it_passes() -> None:
    record = succeeded(promised(), "24 05:10")
    assert record.due == met_until("24 06:00")
    assert later(record, "24 05:59").due == met_until("24 06:00")

    assert later(record, "24 06:00").due == open_until("25 06:00")
    assert later(record, "25 06:00").due == open_until("25 06:00"), "the next day it is missed"


def test_a_run_that_ended_in_time_meets_it_though_a_later_poll_sees_it() -> None:
    record = later(promised(), "24 06:00")

    assert succeeded(record, "24 05:59", seen="24 06:01").due == open_until("25 06:00")
    assert succeeded(record, "24 06:00", seen="24 06:01").due == open_until("25 06:00"), "at the minute is in time"


def test_a_job_that_is_a_minute_late_every_day_misses_every_day() -> None:
    record = promised()
    for day in (24, 25, 26):
        record = later(record, f"{day} 06:00")
        assert record.due == open_until(f"{day} 06:00")
        record = succeeded(record, f"{day} 06:01")
        assert record.due == open_until(f"{day + 1} 06:00")


def test_a_run_that_is_nearer_to_the_next_deadline_meets_that_too() -> None:
    record = later(promised(), "26 05:00")

    assert succeeded(record, "26 05:50").due == met_until("26 06:00")


def test_a_second_run_after_a_late_one_meets_the_next() -> None:
    record = succeeded(later(promised(), "24 06:10"), "24 06:30")
    assert record.due == open_until("25 06:00")

    assert succeeded(record, "24 07:30").due == met_until("25 06:00")


def test_runs_of_a_weekend_meet_monday() -> None:
    record = succeeded(promised(WEEKDAYS, "27 12:00"), "28 23:00")

    assert record.due == met_until("30 06:00")


def test_the_same_success_counts_once() -> None:
    record = succeeded(later(promised(), "24 06:10"), "24 06:30")

    assert succeeded(record, "24 06:30", seen="24 12:00").due == open_until("25 06:00")


def taken_back(record: Record, now: str, before: str | None = None) -> Record:
    ledger = replace(record.ledger, last_success=None if before is None else at(before))
    return with_due_time(replace(record, ledger=ledger), at(now))


def test_a_success_that_is_taken_back_meets_nothing() -> None:
    record = taken_back(succeeded(promised(), "24 05:10"), "24 05:20")
    assert record.due == open_until("24 06:00")
    assert later(record, "24 07:00").due == open_until("24 06:00"), "it is missed"
    assert later(taken_back(succeeded(promised(), "24 05:10"), "24 06:10"), "24 07:00").due == open_until("24 06:00")
    assert succeeded(record, "24 05:50").due == met_until("24 06:00")

    late = later(promised(), "24 06:00")
    assert taken_back(succeeded(late, "24 06:30"), "24 06:40").due == open_until("24 06:00")


def test_the_success_before_one_that_is_taken_back_settles_what_it_settled() -> None:
    early = succeeded(promised(), "24 04:00")
    assert taken_back(succeeded(early, "24 05:10"), "24 05:20", "24 04:00").due == met_until("24 06:00")

    late = succeeded(later(promised(), "24 06:00"), "24 06:30")
    assert succeeded(late, "24 06:50").due == met_until("25 06:00")
    assert taken_back(succeeded(late, "24 06:50"), "24 07:00", "24 06:30").due == open_until("25 06:00")


def test_a_success_whose_time_gets_known_meets_what_it_came_in_time_for() -> None:
    seen = succeeded(later(promised(), "24 06:00"), "24 23:00")
    assert seen.due == met_until("25 06:00"), "nearer to that by the time of the poll"

    known = taken_back(seen, "24 23:10", "24 05:50")
    assert known.due == open_until("25 06:00")
    assert succeeded(known, "25 05:00").due == met_until("25 06:00")


def test_a_success_before_the_promise_meets_what_it_came_in_time_for() -> None:
    assert promised(last_success=at("23 07:00")).due == met_until("24 06:00")
    assert promised(last_success=at("23 05:00")).due == open_until("24 06:00")


def test_another_deadline_begins_anew() -> None:
    missed = later(promised(), "24 07:00")
    other = Deadline(9, 0, DEADLINE.days, "UTC")
    job = replace(missed.job, promises=Promises(deadline=other))

    assert with_due_time(replace(missed, job=job), at("24 07:00")).due == open_until("24 09:00")
    none = replace(missed.job, promises=NO_PROMISES)
    assert with_due_time(replace(missed, job=none), at("24 07:00")).due is None


def test_a_clock_that_is_set_back_brings_the_earlier_deadline_back() -> None:
    record = later(promised(now="26 12:00"), "26 12:30")
    assert record.due == open_until("27 06:00")
    back = later(record, "24 12:00", clock_set=True)

    assert back.due == open_until("25 06:00")
    assert later(back, "25 06:10").due == open_until("25 06:00"), "and it can be missed"
    missed = later(promised(), "24 06:10")
    assert later(missed, "24 05:50", clock_set=True).due == open_until("24 06:00")


def test_a_journal_keeps_what_was_missed() -> None:
    missed = later(promised(), "24 06:10")
    (entry,) = read_journal(b"".join(written([JournalEntry.of(missed.job, missed.ledger)])))

    assert entry.ledger.met == missed.ledger.met
    again = with_due_time(Record(missed.job, ledger=entry.ledger), at("25 12:00"))
    assert again.due == open_until("24 06:00")
    assert again.deadline is None, "until a poll was tried: a run may have met it while nobody looked"

    met = succeeded(promised(), "24 05:10")
    (entry,) = read_journal(b"".join(written([JournalEntry.of(met.job, met.ledger)])))
    assert taken_back(Record(met.job, ledger=entry.ledger), "24 05:20").due == open_until("24 06:00")
