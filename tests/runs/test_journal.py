"""The journal on a real disk: what is read, what is set aside, what is kept of jobs that are gone."""

import asyncio
import errno
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import ExporterError
from exporter.model.job import Job, JobKey
from exporter.model.record import Record
from exporter.model.run import Ledger, Paid, RunId, RunTimes
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.runs import journal as module
from exporter.runs import journal_format, transitions, write_pace
from exporter.runs.atomic_file import Disk
from exporter.runs.journal import Journal
from exporter.services import registry
from exporter.services.registry import load_services
from tests.polling.harness import world
from tests.polling.test_history import ROWS, busy, counted
from tests.warp import START, WarpClock, run

ADAPTERS = load_services()
CDM = ADAPTERS["cdm"]
ORDERS = Job(JobKey("cdm", "orders"), "prod", {"cluster_id": "c-1", "job_name": "orders"})


class Clock:
    time = START

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class Kept:
    """A board and its journal in a folder."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.store, self.telemetry = JobStore(10**6, registry.declared()), Telemetry()
        self.path = folder / "journal.json"
        self.journal = Journal(self.path, 3600, self.store, self.clock, self.telemetry)
        self.numbers = 0

    def register(self, job: Job = ORDERS) -> Record:
        self.numbers += 1
        adapter = ADAPTERS[job.key.service]
        record = self.journal.resume(transitions.registered(job, adapter, self.numbers), adapter)
        self.store.put(record)
        return record

    def remove(self, job: Job = ORDERS) -> None:
        record = self.store.get(job.key)
        assert record is not None
        self.journal.leave(record)
        self.store.remove(job.key)

    def poll(self, number: int, job: Job = ORDERS) -> None:
        """Let the run of a number be seen to have succeeded; it wrote as many rows."""
        record = self.store.get(job.key)
        assert record is not None
        answer = Snapshot(State.SUCCEEDED, run=RunId(str(number), float(number)), counts={Measure(ROWS): float(number)})
        self.store.put(transitions.worked(record, answer, self.clock.now(), ADAPTERS[job.key.service]))

    def rows(self, job: Job = ORDERS) -> float:
        record = self.store.get(job.key)
        assert record is not None
        return record.totals[ROWS]

    @property
    def errors(self) -> float | None:
        return self.telemetry.registry.get_sample_value("huaweicloud_job_exporter_journal_errors_total")


async def filled(folder: Path) -> None:
    """Leave a journal with a total of 5 behind."""
    kept = Kept(folder)
    await kept.journal.open()
    kept.register()
    kept.poll(4)
    kept.poll(5)
    await kept.journal.close()


async def test_a_total_is_shown_once_the_journal_holds_it(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    await kept.journal.open()
    kept.register()
    kept.poll(4)
    kept.poll(5)
    assert kept.rows() == 0
    await kept.journal.write()

    assert kept.rows() == 5
    (entry,) = journal_format.read_journal(kept.path.read_bytes())
    assert entry.ledger.totals[ROWS] == 5
    assert kept.path.stat().st_mode & 0o077 == 0
    await kept.journal.close()


async def test_what_is_counted_while_it_is_written_waits_for_the_next_write(tmp_path: Path) -> None:
    kept = Kept(tmp_path)

    class Slow(type(kept.journal._disk)):  # type: ignore[misc]
        def sync(self, file: int) -> None:
            kept.poll(6)
            super().sync(file)

    kept.register()
    kept.poll(4)
    kept.poll(5)
    kept.journal._disk = Slow()
    await kept.journal.write()
    assert kept.rows() == 5
    await kept.journal.write()
    assert kept.rows() == 11


async def test_nothing_is_written_while_nothing_is_new(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.register()
    kept.poll(4)
    await kept.journal.write()
    kept.path.unlink()
    await kept.journal.write()

    assert not kept.path.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-4],
        lambda text: b"",
        lambda text: b"\x00" * len(text),
        lambda text: text.replace(b'"version": 1', b'"version": 0'),
        lambda text: text.replace(b'"version": 1', b'"version": 2'),
        lambda text: b'{"jobs": []}',
        lambda text: text.replace(b'"rows_written":5', b'"rows_written":-5'),
        lambda text: text.replace(b'"runs":[1,', b'"runs":[null,'),
    ],
    ids=["cut", "empty", "zeros", "older", "newer", "foreign", "negative", "null"],
)
async def test_what_cannot_be_read_is_set_aside_told_and_counted(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    await filled(tmp_path)
    path = tmp_path / "journal.json"
    whole = path.read_bytes()
    damaged = damage(whole)
    assert damaged != whole
    path.write_bytes(damaged)
    kept = Kept(tmp_path)
    with capture_logs() as logs:
        await kept.journal.open()
    kept.register()
    await kept.journal.close()

    assert (kept.rows(), kept.errors) == (0, 1)
    aside = tmp_path / f"journal.json.{START:.0f}.aside"
    assert aside.read_bytes() == damaged
    assert [line["aside"] for line in logs if line["log_level"] == "error"] == [str(aside)]
    assert journal_format.read_journal(path.read_bytes())


async def test_two_files_that_are_set_aside_in_one_second_are_both_kept(tmp_path: Path) -> None:
    for text in ("first", "second"):
        (tmp_path / "journal.json").write_text(text)
        kept = Kept(tmp_path)
        await kept.journal.open()
        await kept.journal.close()

    assert {path.read_text() for path in tmp_path.glob("*.aside")} == {"first", "second"}


async def test_a_file_that_can_neither_be_read_nor_set_aside_is_not_written_over(tmp_path: Path) -> None:
    before = Kept(tmp_path)
    await before.journal.open()
    before.register()
    for number in (1, 2):
        before.poll(number)
    await before.journal.close()
    text = before.path.read_bytes()

    class Away(Disk):
        away = True

        def read(self, path: Path) -> bytes:
            raise OSError(errno.ESTALE, "Stale file handle")

        def rename(self, path: Path, other: Path) -> None:
            if self.away:
                raise OSError(errno.ESTALE, "Stale file handle")
            super().rename(path, other)

    after = Kept(tmp_path)
    after.journal._disk = disk = Away()
    await after.journal.open()
    after.register()
    await after.journal.write()
    assert before.path.read_bytes() == text
    disk.away = False
    await after.journal.write()
    await after.journal.close()

    assert [path.read_bytes() for path in tmp_path.glob("*.aside")] == [text]
    assert journal_format.read_journal(before.path.read_bytes())[0].ledger.runs == (0, 0, 0)


async def test_a_folder_in_its_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "journal.json" / "precious").mkdir(parents=True)
    kept = Kept(tmp_path)
    await kept.journal.open()
    kept.register()
    kept.poll(4)
    await kept.journal.close()

    assert (tmp_path / "journal.json" / "precious").is_dir()
    assert kept.errors == 2


async def test_a_folder_that_is_not_there_stops_nothing(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "missing")
    with capture_logs() as logs:
        await kept.journal.open()
        kept.register()
        for number in range(4, 9):
            kept.poll(number)
            await kept.journal.write()

    assert kept.rows() == 0
    assert sum("cannot be written" in line.get("problem", "") for line in logs) == 1
    (tmp_path / "missing").mkdir()
    await kept.journal.write()
    assert kept.rows() == 5 + 6 + 7 + 8


async def test_a_folder_that_comes_later_is_locked_and_what_is_in_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.0)
    (tmp_path / "there").mkdir()
    await filled(tmp_path / "there")
    text = (tmp_path / "there" / "journal.json").read_bytes()
    kept, other = Kept(tmp_path / "late"), Kept(tmp_path / "late")
    await kept.journal.open()
    kept.register()
    kept.poll(7)
    await kept.journal.write()
    (tmp_path / "there").rename(tmp_path / "late")
    await kept.journal.write()

    with pytest.raises(ExporterError, match="another process uses the journal"):
        await other.journal.open()
    assert [path.read_bytes() for path in (tmp_path / "late").glob("*.aside")] == [text]
    await kept.journal.close()


async def test_a_folder_that_comes_later_and_is_in_use_is_left_to_the_other_process(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "late")
    await kept.journal.open()
    kept.register()
    for number in (4, 5):
        kept.poll(number)
    (tmp_path / "late").mkdir()
    other = Kept(tmp_path / "late")
    await other.journal.open()
    with capture_logs() as logs:
        await kept.journal.write()
        assert not kept.path.exists()
        assert kept.rows() == 0
        await other.journal.close()
        await kept.journal.write()

    assert [line["error"] for line in logs if line["event"] == "journal failed"] == [
        "another process uses it; give each exporter, and each shard, its own"
    ]
    assert kept.rows() == 5
    await kept.journal.close()


async def test_a_write_that_hangs_is_logged_and_measured_while_it_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_pace, "SLOW", 0.05)
    kept, release = Kept(tmp_path), threading.Event()

    def took() -> float | None:
        name = "huaweicloud_job_exporter_journal_last_write_duration_seconds"
        return kept.telemetry.registry.get_sample_value(name)

    class Hanging(Disk):
        def sync(self, file: int) -> None:
            release.wait(20)
            super().sync(file)

    kept.journal._disk = Hanging()
    kept.register()
    assert took() is None
    with capture_logs() as logs:
        writing = asyncio.create_task(kept.journal.write())
        until = time.monotonic() + 10
        while not any(line["event"] == "journal slow" for line in logs) and time.monotonic() < until:
            await asyncio.sleep(0.01)
        first = took()
        await asyncio.sleep(0.01)
        second = took()
        assert not writing.done()
        release.set()
        await writing
        last = took()
        monkeypatch.setattr(write_pace, "SLOW", 60.0)
        kept.poll(4)
        await kept.journal.write()

    assert first is not None
    assert second is not None
    assert last is not None
    assert 0.05 <= first < second < last
    assert [line["event"] for line in logs] == ["journal slow", "journal fast again"]


@pytest.mark.parametrize(("took", "pause"), [(0.001, 2), (0.2, 4), (4, 10), (1000, 10)])
async def test_however_long_a_write_took_the_next_follows_within_ten_seconds(
    took: float, pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter([0.0, took])
    monkeypatch.setattr(write_pace, "time", SimpleNamespace(perf_counter=lambda: next(moments)))
    pace = write_pace.WritePace("j")
    with pace.timed():
        pass

    assert pace.pause == pytest.approx(pause)


async def test_two_processes_cannot_share_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.0)
    first, second = Kept(tmp_path), Kept(tmp_path)
    await first.journal.open()
    with pytest.raises(ExporterError, match="another process uses the journal"):
        await second.journal.open()
    await first.journal.close()

    await second.journal.open()
    await second.journal.close()


async def test_a_job_that_comes_back_in_time_goes_on_and_one_that_does_not_is_forgotten(tmp_path: Path) -> None:
    await filled(tmp_path)
    clock = Clock()
    for waited, rows in ((0, 5), (3000, 5), (3000, 5), (3700, 0)):
        clock.time += waited
        kept = Kept(tmp_path, clock)  # a restart finds the time since when it is gone
        await kept.journal.open()
        await kept.journal.write()
        clock.time += 500 if waited == 3700 else 0
        kept.register()
        assert kept.rows() == rows, waited
        kept.remove()
        await kept.journal.close()
    clock.time += 3700
    last = Kept(tmp_path, clock)
    await last.journal.open()
    clock.time += 3700
    await last.journal.write()

    assert journal_format.read_journal(last.path.read_bytes()) == []
    await last.journal.close()


async def test_what_registered_a_job_may_be_down_for_longer_than_that_after_a_restart(tmp_path: Path) -> None:
    await filled(tmp_path)
    clock, read = Clock(), [False]
    kept = Kept(tmp_path, clock)
    await kept.journal.open()
    kept.journal.wait_for(lambda: read[0])
    clock.time += 4000
    await kept.journal.write()
    kept.register()
    assert kept.rows() == 5

    kept.remove()  # what was registered since goes in its time
    clock.time += 4000
    await kept.journal.write()
    assert journal_format.read_journal(kept.path.read_bytes()) == []
    await kept.journal.close()


async def test_what_nothing_registers_once_all_is_read_is_forgotten(tmp_path: Path) -> None:
    await filled(tmp_path)
    clock, read = Clock(), [False]
    kept = Kept(tmp_path, clock)
    await kept.journal.open()
    kept.journal.wait_for(lambda: read[0])
    clock.time += 4000
    await kept.journal.write()
    assert len(journal_format.read_journal(kept.path.read_bytes())) == 1
    read[0] = True
    clock.time += 1
    await kept.journal.write()
    assert journal_format.read_journal(kept.path.read_bytes()) == []
    await kept.journal.close()


@pytest.mark.parametrize(
    "other",
    [replace(ORDERS, project="other"), replace(ORDERS, target={"cluster_id": "c-2", "job_name": "orders"})],
    ids=["project", "cluster"],
)
async def test_another_job_of_that_name_begins_at_0(tmp_path: Path, other: Job) -> None:
    await filled(tmp_path)
    kept = Kept(tmp_path)
    await kept.journal.open()

    assert kept.register(other).totals[ROWS] == 0
    await kept.journal.close()


async def test_the_next_run_of_a_job_that_runs_once_goes_on(tmp_path: Path) -> None:
    first = Job(JobKey("dli", "nightly"), "prod", {"job_id": "a"})
    kept = Kept(tmp_path)
    kept.register(first)
    for state in (State.RUNNING, State.SUCCEEDED, State.SUCCEEDED):
        record = kept.store.get(first.key)
        assert record is not None
        kept.store.put(transitions.worked(record, Snapshot(state, run=RunId("a")), START, ADAPTERS["dli"]))
    await kept.journal.close()
    again = Kept(tmp_path)
    await again.journal.open()
    record = again.register(replace(first, target={"job_id": "b"}))
    for _ in range(2):
        record = transitions.worked(record, Snapshot(State.FAILED, run=RunId("b")), START + 60, ADAPTERS["dli"])
    again.store.put(record)
    await again.journal.close()

    shown = again.store.get(first.key)
    assert shown is not None
    assert shown.runs == (1, 1, 0)
    assert (shown.last_success, shown.last_failure) == (START, START + 60)


async def test_a_job_that_is_taken_out_and_in_again_shows_no_more_than_the_disk_has(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.register()
    kept.poll(4)
    await kept.journal.write()
    kept.poll(5)
    kept.remove()

    assert kept.register().totals[ROWS] == 0
    await kept.journal.write()
    assert kept.rows() == 5


async def test_a_job_that_is_taken_out_and_in_twice_shows_what_the_disk_has(tmp_path: Path) -> None:
    await filled(tmp_path)
    kept = Kept(tmp_path)
    await kept.journal.open()
    kept.register()
    for _ in range(2):
        kept.remove()
        kept.register()
        assert kept.rows() == 5
    await kept.journal.close()


async def test_another_job_of_that_name_never_shows_what_the_disk_has_of_the_one_before(tmp_path: Path) -> None:
    await filled(tmp_path)
    kept, other = Kept(tmp_path), replace(ORDERS, project="other")
    await kept.journal.open()
    kept.register()
    for _ in range(2):
        kept.remove()
        assert kept.register(other).totals[ROWS] == 0
    await kept.journal.close()


async def test_a_next_run_that_begins_while_it_is_written_shows_the_end_of_the_one_before(tmp_path: Path) -> None:
    first = Job(JobKey("dli", "nightly"), "prod", {"job_id": "a"})
    kept = Kept(tmp_path)
    record = kept.register(first)
    for state in (State.RUNNING, State.SUCCEEDED, State.SUCCEEDED):
        record = transitions.worked(record, Snapshot(state, run=RunId("a")), START, ADAPTERS["dli"])
    kept.store.put(record)

    class Slow(Disk):
        def sync(self, file: int) -> None:
            if kept.store.get(first.key) is record:
                kept.store.put(transitions.next_run(record, replace(first, target={"job_id": "b"}), 2))
            super().sync(file)

    kept.journal._disk = Slow()
    for _ in range(2):
        await kept.journal.write()
    shown = kept.store.get(first.key)

    assert shown is not None
    assert (shown.registration_id, shown.runs) == (2, (1, 0, 0))
    await kept.journal.close()


RUN_IDS = st.builds(RunId, st.text(max_size=5), st.none() | st.floats(0, 1e12))
COUNTS = st.integers(0, 2**70)


@given(
    st.builds(
        Ledger,
        floor=st.none() | RUN_IDS,
        counts_from=st.none() | st.floats(0, 1e12),
        beyond=st.lists(RUN_IDS, max_size=3).map(tuple),
        open=st.lists(RUN_IDS, max_size=3).map(tuple),
        ended=st.none() | RUN_IDS,
        succeeded=st.none() | RUN_IDS,
        runs=st.tuples(COUNTS, COUNTS, COUNTS),
        totals=st.dictionaries(st.text(max_size=5), COUNTS | st.floats(0, 1e300)),
        failed=st.none() | RUN_IDS,
        last_success=st.none() | st.floats(0, 1e12),
        last_failure=st.none() | st.floats(0, 1e12),
        took=st.tuples(*[st.builds(RunTimes, COUNTS, COUNTS, st.tuples(COUNTS, COUNTS))] * 3),
        bounds=st.just((1.5, 60.0)),
        untimed=st.lists(RUN_IDS, max_size=3).map(tuple),
        paid=st.lists(st.builds(Paid, RUN_IDS, st.integers(0, 9), st.dictionaries(st.text(max_size=5), COUNTS))).map(
            tuple
        ),
        ended_start=st.none() | st.floats(0, 1e12),
        ended_end=st.none() | st.floats(0, 1e12),
        ended_seen=st.none() | st.floats(0, 1e12),
        succeeded_before=st.none() | st.tuples(RUN_IDS, st.floats(0, 1e12)),
        failed_before=st.none() | st.tuples(RUN_IDS, st.floats(0, 1e12)),
    ),
    st.text(max_size=5),
)
def test_what_is_written_is_read_back(ledger: Ledger, name: str) -> None:
    entries = [
        journal_format.JournalEntry(JobKey("cdm", name), name, {name: name}, ledger, gone) for gone in (None, 5.0)
    ]

    assert journal_format.read_journal(b"".join(journal_format.written(entries))) == entries


def test_what_ran_while_nobody_looked_is_found_after_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        clock = WarpClock(asyncio.get_running_loop())
        for seconds in (500, 2000):
            async with world(clock=clock, journal=tmp_path / "journal.json") as there:
                job = busy(there.cloud)
                there.watch(job)
                await asyncio.sleep(seconds)
                while there.record(job).totals != there.record(job).ledger.totals:
                    await asyncio.sleep(0.1)
                await counted(there, job)
            await asyncio.sleep(700)

    run(main())
