"""Every step of every write of the journal, stopped: what is shown afterwards is what the pretend cloud moved.

The jobs of the pretend cloud are polled through its own gateway, without sockets, so that a thousand lives pass in
seconds. Run n of each job writes 2 ** n rows, so a total tells which runs are in it, and how often.
"""

import random
from itertools import count
from pathlib import Path

import pytest

from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.job import Job, JobKey
from exporter.model.record import Record
from exporter.runs import run_history, transitions
from exporter.runs.journal import Journal
from exporter.services import registry
from exporter.services.registry import load_services
from exporter.services.request import Request
from exporter.simulator import CdmJob, CdmRun, Cloud, Step, Volume
from exporter.simulator.answers import Call
from exporter.simulator.gateway import handle
from tests.asking import driven
from tests.disks import MemoryDisk

START = 1_760_000_000.0
CDM = load_services()["cdm"]
FILE = Path("/state/journal.json")
RUNS = 32


class Clock:
    """Time that is set by hand."""

    time = START

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


def job(number: int, luck: random.Random) -> CdmJob:
    """Return a job that runs until all its runs are over; some fail."""
    plan = tuple(
        CdmRun(
            (Step("BOOTING", luck.randint(1, 9)), Step("RUNNING", luck.randint(1, 60))),
            "SUCCEEDED" if luck.random() < 0.8 else "FAILED",
            rest=luck.randint(1, 40),
            volume=Volume(rows_written=2**n),
        )
        for n in range(RUNS)
    )
    begins = START - luck.randint(0, 60)
    step = luck.choice([1, 4])
    return CdmJob("c-1", f"job {number}", begins, plan, repeats=False, submission_step=step, shown=1)


class PowerFailure(BaseException):
    """The machine stopped here."""


class StoppingDisk(MemoryDisk):
    """A disk that stops at a step, or takes nothing."""

    steps = 0
    stops_at: int | None = None
    full: OSError | None = None

    def step(self, *, writes: bool = True) -> None:
        if not writes:
            return
        if self.full is not None:
            raise self.full
        self.steps += 1
        if self.stops_at is not None and self.steps >= self.stops_at:
            raise PowerFailure

    def power_failure(self) -> None:
        super().power_failure()
        self.stops_at = None


class World:
    """The pretend cloud, and one exporter after the other on the same disk."""

    def __init__(self, seed: int) -> None:
        self.luck = random.Random(seed)
        self.clock = Clock()
        self.cloud = Cloud(clock=self.clock.now, wall=self.clock.now)
        self.jobs = [job(number, self.luck) for number in range(2)]
        self.cloud.add(*self.jobs)
        self.disk = StoppingDisk(self.luck, most=300)
        self.since: dict[str, float] = {}  # when what a job counts from was seen; once on disk it stays
        self.shown: dict[str, tuple[float, tuple[int, int, int]]] = {}

    def truth(self, job: CdmJob, until: float) -> tuple[int, tuple[int, int, int]]:
        """Return rows and results of the runs that are to be counted at *until*."""
        ended = [each for each in job.runs(until) if each.ended_at is not None and each.ended_at > self.since[job.name]]
        rows = sum(each.run.volume.rows_written for each in ended if each.run.end == "SUCCEEDED")
        failed = sum(1 for each in ended if each.run.end == "FAILED")
        return rows, (len(ended) - failed, failed, 0)

    def ask(self, request: Request) -> bytes:
        query = "&".join(f"{name}={value.replace(' ', '+')}" for name, value in request.query)
        token = {"x-auth-token": self.cloud.token}
        answer, _ = handle(self.cloud, Call("GET", request.path, query, token))
        assert answer.status == 200, answer.body
        return answer.body


class Life:
    """One exporter: it polls, reads histories, writes, until the power fails."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = JobStore(10**6, registry.declared())
        self.telemetry = Telemetry()
        self.journal = Journal(FILE, 3600, self.store, world.clock, self.telemetry, world.disk)

    async def start(self) -> None:
        await self.journal.open()
        for number, job in enumerate(self.world.jobs):
            registered = Job(JobKey("cdm", job.name), "p", {"cluster_id": job.cluster_id, "job_name": job.name})
            record = self.journal.resume(transitions.registered(registered, CDM, number + 1), CDM)
            if record.ledger.floor is None:
                self.world.since.pop(job.name, None)
            self.store.put(record)
        self.look()

    def poll(self, job: CdmJob) -> None:
        record, now = self.record(job), self.world.clock.now()
        request = CDM.request(record.job, self.world.cloud.project_id)
        self.world.since.setdefault(job.name, now)
        self.store.put(transitions.worked(record, CDM.parse(self.world.ask(request), record.job, None), now, CDM))
        if self.record(job).ledger.beyond and self.world.luck.random() < 0.8:  # else the call failed
            self.look_back(job)

    def look_back(self, job: CdmJob) -> None:
        record = self.record(job)
        past, project_id = CDM.past, self.world.cloud.project_id
        assert past is not None
        found, _ = driven(
            lambda ask: run_history.read_history(past, record.job, project_id, record.ledger, ask), self.world.ask
        )
        self.store.put(transitions.looked_back(record, found.runs, self.world.clock.now()))

    def record(self, job: CdmJob) -> Record:
        record = self.store.get(JobKey("cdm", job.name))
        assert record is not None
        return record

    def look(self) -> None:
        """Scrape: nothing falls, and nothing is shown that has not happened."""
        now = self.world.clock.now()
        for job in self.world.jobs:
            record = self.record(job)
            rows, counted = record.totals["rows_written"], record.runs
            before = self.world.shown.get(job.name, (0, (0, 0, 0)))
            assert rows >= before[0]
            assert all(now >= then for now, then in zip(counted, before[1], strict=True))
            self.world.shown[job.name] = (rows, counted)
            if job.name in self.world.since:
                true_rows, true_counted = self.world.truth(job, now)
                assert int(rows) & ~true_rows == 0  # no run that has not ended, none twice
                assert all(shown <= true for shown, true in zip(counted, true_counted, strict=True))


async def live(world: World, steps: int | None) -> bool:
    """Live until the disk stops at the step of that number, or for a while; return whether it stopped."""
    first = world.disk.steps
    world.disk.stops_at = None if steps is None else first + steps
    life = Life(world)
    try:
        await life.start()
        for _ in range(12):
            world.clock.time += world.luck.randint(1, 50)
            for job in world.jobs:
                if world.luck.random() < 0.6:
                    life.poll(job)
            life.look()
            if world.luck.random() < 0.7:
                await life.journal._write()
                life.look()
    except PowerFailure:
        life.look()
        return True
    return False


async def caught_up(world: World) -> None:
    """Check that a new life shows all that was moved, once it polled and wrote."""
    life = Life(world)
    await life.start()
    for job in world.jobs:
        life.poll(job)
        life.look_back(job)
    await life.journal._write()
    life.look()
    for job in world.jobs:
        record = life.record(job)
        assert (record.totals["rows_written"], record.runs) == world.truth(job, world.clock.now())


@pytest.mark.parametrize("many", [150, pytest.param(1000, marks=pytest.mark.long)])
async def test_totals_are_the_clouds_after_many_crashes_at_any_step(many: int) -> None:
    crashes, seeds = 0, count()
    while crashes < many:
        world = World(next(seeds))
        for _ in range(8):
            crashes += await live(world, world.luck.randint(1, 40))
            world.disk.power_failure()
            await caught_up(world)


async def test_every_single_step_of_one_write_may_be_the_last() -> None:
    whole = World(7)
    await live(whole, None)

    assert whole.disk.steps > 30
    for step in range(1, whole.disk.steps + 1):
        world = World(7)
        assert await live(world, step)
        world.disk.power_failure()
        await caught_up(world)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OSError(30, "Read-only file system")])
async def test_a_disk_that_takes_nothing_stops_no_poll_and_what_waits_is_shown_when_it_does(error: OSError) -> None:
    world = World(1)
    world.disk.full = error
    await live(world, None)
    assert set(world.shown.values()) == {(0, (0, 0, 0))}

    life = Life(world)
    await life.start()
    for _ in range(5):
        world.clock.time += 60
        for job in world.jobs:
            life.poll(job)
        await life.journal._write()
    registry = life.telemetry.registry
    assert registry.get_sample_value("huaweicloud_job_exporter_journal_errors_total") == 5
    assert registry.get_sample_value("huaweicloud_job_exporter_journal_last_write_timestamp_seconds") is None
    assert all(life.record(job).runs == (0, 0, 0) and life.record(job).up for job in world.jobs)

    world.disk.full = None
    for job in world.jobs:
        life.look_back(job)
    await life.journal._write()
    life.look()
    assert [(life.record(job).totals["rows_written"], life.record(job).runs) for job in world.jobs] == [
        world.truth(job, world.clock.now()) for job in world.jobs
    ]
    written = registry.get_sample_value("huaweicloud_job_exporter_journal_last_write_timestamp_seconds")
    assert written == world.clock.now()
