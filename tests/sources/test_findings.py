"""What a rule found over time: what is registered, for how long, and what is kept of it."""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.record import Fault, Record
from exporter.model.run import RunId
from exporter.model.snapshot import Snapshot, State
from exporter.runs import transitions
from exporter.services.discovery_rule import Search
from exporter.services.list_reading import Found, Named, age
from exporter.services.listing import ListedJob, Location
from exporter.services.registry import load_services
from exporter.sources.findings import Findings, merged_findings

ADAPTERS = load_services()
RETENTION = 100.0
STATES = [State.PENDING, State.RUNNING, State.SUCCEEDED, State.FAILED]


def search(service: str, most: int) -> Search:
    lists = ADAPTERS[service].lists
    assert lists is not None
    return Search(service, "p", lists.rule.model_validate({"max_jobs": str(most)}))


def named(number: int, state: State, *, end: float | None = None, place: str = "", name: str = "") -> Named:
    """Return a job as a list tells of it; a greater number is a newer job."""
    target = {"cluster_id": place, "job_name": f"j{number}"} if place else {"job_id": f"j{number}"}
    snapshot = Snapshot(state, run=RunId(f"j{number}"), end=end if state.ended else None)
    return Named(
        name or f"j{number}", ListedJob(target, snapshot=snapshot, since=float(number)), Location(place, place)
    )


def found(*jobs: Named, unsure: Sequence[str] = (), off: Sequence[str] = ()) -> Found:
    ordered = tuple(sorted(jobs, key=lambda each: age(each.listed)))
    skipped = tuple(Location(place, place, usable=False, word="off") for place in off)
    return Found(ordered, skipped=skipped, unsure=frozenset({*unsure, *off}))


@dataclass
class Board:
    """The records of the jobs that were registered, as the exporter keeps them."""

    records: dict[JobKey, Record] = field(default_factory=dict)

    def register(self, jobs: Sequence[Job]) -> None:
        last: Mapping[JobKey, Job] = {job.key: job for job in jobs}  # the later one is the next run
        kept = {}
        for key, job in last.items():
            old = self.records.get(key)
            if old is None:
                kept[key] = Record(job)
            else:
                kept[key] = (
                    old if old.job.target == job.target else transitions.next_run(old, job, old.registration_id + 1)
                )
        self.records = kept

    def asked(self, name: str, service: str, state: State, at: float, end: float | None = None) -> None:
        record = self.records[JobKey(service, name)]
        answer = Snapshot(state, run=RunId(name), end=end)
        self.records[record.job.key] = transitions.worked(record, answer, at, ADAPTERS[service])

    def lost(self, name: str, service: str, at: float) -> None:
        record = self.records[JobKey(service, name)]
        self.records[record.job.key] = transitions.failed(record, Fault(Reason.NOT_FOUND, at, "no"))


@dataclass
class Looks:
    """One rule and the board that its jobs are registered on."""

    service: str
    most: int = 500
    store: Board = field(default_factory=Board)

    def __post_init__(self) -> None:
        self.findings = Findings(search(self.service, self.most), "eu-de", ends=ADAPTERS[self.service].final)

    def look(self, at: float, *jobs: Named, unsure: Sequence[str] = (), off: Sequence[str] = ()) -> set[str]:
        """Take what a look found; return the names of the jobs that it found no more."""
        missed = self.findings.take(found(*jobs, unsure=unsure, off=off), at, RETENTION)
        self.fail(at)
        return {key.job for key in missed}

    def fail(self, at: float) -> None:
        """Register after a look that found nothing out."""
        candidates = self.findings.jobs(at, RETENTION, self.store.records.get)
        self.store.register(list(merged_findings([candidates])))

    @property
    def shown(self) -> str:
        """The id of the job that the name "nightly" stands for."""
        return self.store.records[JobKey("dli", "nightly")].job.target["job_id"]

    @property
    def names(self) -> set[str]:
        return {key.job for key in self.store.records}


def test_a_job_has_the_labels_of_the_rule_that_found_it_as_its_words_are_now() -> None:
    looks = Looks("dli")
    looks.findings = Findings(replace(search("dli", 9), labels={"team": "{owner}"}), "eu-de", ends=True)

    def labels(owner: str) -> dict[str, str]:
        job = named(1, State.RUNNING)
        looks.look(10, replace(job, listed=replace(job.listed, words={"owner": owner} if owner else {})))
        (candidate,) = looks.findings.jobs(10, RETENTION, looks.store.records.get)
        return dict(candidate[1].labels)

    assert labels("etl") == {"team": "etl"}
    assert labels("bi") == {"team": "bi"}
    assert labels("") == {}


# --- a job that runs once


def test_a_query_that_the_list_tells_of_no_more_stays_until_it_was_over_for_the_retention() -> None:
    looks = Looks("dli")
    looks.look(0, named(1, State.RUNNING))
    assert looks.look(10) == {"j1"}
    assert looks.look(20) == set()  # it is told once
    looks.store.asked("j1", "dli", State.SUCCEEDED, 30, end=25)

    looks.look(124)
    assert looks.names == {"j1"}
    looks.look(125)
    assert looks.names == set()


def test_a_query_stays_while_it_runs_however_long_the_list_tells_nothing_of_it() -> None:
    looks = Looks("dli")
    looks.look(0, named(1, State.RUNNING))
    looks.store.asked("j1", "dli", State.RUNNING, 5)
    looks.look(100_000)

    assert looks.names == {"j1"}


def test_a_query_that_had_ended_long_before_is_not_registered() -> None:
    looks = Looks("dli")
    looks.look(1000, named(1, State.SUCCEEDED, end=899), named(2, State.SUCCEEDED, end=901), named(3, State.FAILED))
    assert looks.names == {"j2", "j3"}

    looks.look(1050, named(1, State.SUCCEEDED, end=899), named(2, State.SUCCEEDED, end=901), named(3, State.FAILED))
    assert looks.names == {"j3"}


def test_a_query_that_failed_stays_for_a_day_or_until_the_next_run_of_its_name() -> None:
    day = 86_400.0
    looks = Looks("dli")
    looks.look(1000, named(1, State.FAILED, name="nightly"), named(2, State.FAILED))  # the list tells no end
    looks.look(1000 + day - 1, named(2, State.FAILED))
    assert looks.names == {"nightly", "j2"}

    looks.look(1000 + day, named(3, State.SUCCEEDED, end=1000 + day - 50, name="nightly"))
    assert looks.names == {"nightly"}
    assert looks.store.records[JobKey("dli", "nightly")].job.target == {"job_id": "j3"}

    looks.look(1000 + day + 100, named(1, State.FAILED, name="nightly"), named(3, State.SUCCEEDED, name="nightly"))
    assert looks.names == set()  # the one that failed before does not come back


def test_a_query_that_failed_while_nobody_looked_is_registered() -> None:
    looks = Looks("dli")
    looks.look(100_000, named(1, State.FAILED, end=100_000 - 80_000), named(2, State.FAILED, end=100_000 - 90_000))

    assert looks.names == {"j1"}


def test_a_query_that_is_not_found_any_more_goes_after_the_retention() -> None:
    looks = Looks("dli")
    looks.look(0, named(1, State.RUNNING))
    looks.store.lost("j1", "dli", 10)
    looks.look(100)
    assert looks.names == {"j1"}
    looks.look(101)
    assert looks.names == set()


def test_of_two_queries_of_one_name_the_later_one_is_the_next_run() -> None:
    looks = Looks("dli")
    looks.look(0, named(1, State.RUNNING, name="nightly"))
    looks.store.asked("nightly", "dli", State.RUNNING, 5)
    looks.look(10, named(1, State.SUCCEEDED, end=8, name="nightly"), named(2, State.RUNNING, name="nightly"))

    assert looks.store.records[JobKey("dli", "nightly")].job.target == {"job_id": "j2"}


def test_the_next_query_of_a_name_is_not_over_because_the_one_before_is() -> None:
    looks = Looks("dli")
    first, second = named(1, State.SUCCEEDED, end=10, name="nightly"), named(2, State.RUNNING, name="nightly")
    looks.look(0, named(1, State.RUNNING, name="nightly"))
    looks.store.asked("nightly", "dli", State.SUCCEEDED, 11, end=10)
    for at in (20, 60, 100, 150, 200):
        looks.look(at, first, second)  # its own calls fail all the time

        assert looks.names == {"nightly"}


def query(number: int, state: State, since: float | None, end: float | None = None) -> Named:
    told = named(number, state, end=end, name="nightly")
    return replace(told, listed=replace(told.listed, since=since))


def test_the_next_query_of_a_name_is_shown_though_it_tells_no_start() -> None:
    """Also once it ended, and if the one before had told a start that lies hours ahead."""
    looks = Looks("dli")
    looks.look(10, query(3, State.RUNNING, None))
    looks.look(20, query(3, State.SUCCEEDED, None, 15), query(2, State.RUNNING, None))
    assert looks.shown == "j2"
    looks.look(30, query(3, State.SUCCEEDED, None, 15), query(2, State.RUNNING, None))
    looks.look(40, query(3, State.SUCCEEDED, 7000, 15), query(2, State.FAILED, None, 35))
    assert looks.shown == "j2"
    looks.look(50, query(3, State.SUCCEEDED, 7000, 15), query(2, State.FAILED, None, 35), query(1, State.RUNNING, 45))
    assert (looks.shown, looks.findings.hidden()) == ("j1", {})


def test_of_queries_that_began_at_the_same_time_the_one_that_goes_on_is_shown_and_stays() -> None:
    looks = Looks("dli")
    over = [query(1, State.FAILED, 5, 6), query(3, State.SUCCEEDED, 5, 6)]
    looks.look(10, *over, query(2, State.RUNNING, 5))
    assert looks.shown == "j2"
    looks.look(20, *over, query(2, State.FAILED, 5, 15))
    assert looks.shown == "j2"


def test_what_a_name_does_not_show_is_told_if_it_goes_on_or_may_be_newer() -> None:
    looks = Looks("dli")
    looks.look(10, query(1, State.RUNNING, 5), query(2, State.RUNNING, 6), query(3, State.FAILED, None, 4))
    assert (looks.shown, looks.findings.hidden()) == ("j2", {"nightly": 2})
    looks.look(20, query(1, State.SUCCEEDED, 5, 12), query(2, State.RUNNING, 6))
    assert looks.findings.hidden() == {}


# --- a job that runs again


def test_a_migration_goes_when_the_list_of_its_cluster_tells_of_it_no_more() -> None:
    looks = Looks("cdm")
    looks.look(0, named(1, State.SUCCEEDED, place="c1"), named(2, State.SUCCEEDED, place="c2"))
    assert looks.look(10, named(2, State.SUCCEEDED, place="c2")) == {"j1"}
    assert looks.names == {"j1", "j2"}
    assert looks.look(20, named(2, State.SUCCEEDED, place="c2")) == set()
    assert looks.names == {"j2"}


def test_a_migration_that_one_look_missed_because_its_list_moved_stays() -> None:
    looks = Looks("cdm")
    both = [named(1, State.RUNNING, place="c1"), named(2, State.RUNNING, place="c1")]
    for at in range(0, 100, 20):
        looks.look(at, *both)
        assert looks.look(at + 10, both[0]) == {"j2"}
        assert looks.names == {"j1", "j2"}


def test_a_migration_that_its_own_call_does_not_find_goes_though_its_list_is_never_read_whole() -> None:
    looks = Looks("cdm")
    looks.look(0, named(1, State.SUCCEEDED, place="c1"), named(2, State.SUCCEEDED, place="c1"))
    looks.store.lost("j1", "cdm", 10)
    looks.look(RETENTION, named(2, State.SUCCEEDED, place="c1"), unsure=["c1"])
    assert looks.names == {"j1", "j2"}
    looks.look(RETENTION + 1, named(2, State.SUCCEEDED, place="c1"), unsure=["c1"])
    assert looks.names == {"j2"}


def test_where_a_list_failed_no_job_is_gone() -> None:
    looks = Looks("cdm")
    looks.look(0, named(1, State.SUCCEEDED, place="c1"), named(2, State.SUCCEEDED, place="c2"))

    assert looks.look(10, named(2, State.SUCCEEDED, place="c2"), unsure=["c1"]) == set()
    assert looks.names == {"j1", "j2"}
    looks.look(100_000, named(2, State.SUCCEEDED, place="c2"), unsure=["c1"])
    assert looks.names == {"j1", "j2"}


def test_the_jobs_of_a_cluster_that_is_off_go_after_the_retention() -> None:
    looks = Looks("cdm")
    looks.look(0, named(1, State.SUCCEEDED, place="c1"))
    looks.look(100, off=["c1"])
    assert looks.names == {"j1"}
    looks.look(101, off=["c1"])
    assert looks.names == set()


def test_two_rules_that_find_the_same_job_register_it_once_by_the_first() -> None:
    first, second = Looks("cdm"), Looks("cdm")
    first.look(0, named(1, State.RUNNING, place="c1", name="mine"))
    second.look(0, named(1, State.RUNNING, place="c1", name="other"), named(2, State.RUNNING, place="c1"))
    both = [each.findings.jobs(0, RETENTION, each.store.records.get) for each in (first, second)]

    assert [job.key.job for job in merged_findings(both)] == ["mine", "j2"]


# --- whatever comes and goes

JOBS = st.dictionaries(st.integers(1, 12), st.sampled_from(STATES), max_size=8)


@dataclass
class Step:
    """One look: what it found, whether it failed, what the polls between say, and how long it is till the next."""

    jobs: dict[int, State]
    failed: bool
    unsure: bool
    polled: dict[int, State]
    wait: float


STEPS = st.lists(
    st.builds(
        Step,
        jobs=JOBS,
        failed=st.sampled_from([False, False, False, True]),
        unsure=st.booleans(),
        polled=JOBS,
        wait=st.sampled_from([1.0, 45.0, 200.0]),
    ),
    max_size=12,
)


@given(steps=STEPS, most=st.sampled_from([3, 500]))
def test_a_query_that_the_list_tells_of_and_that_goes_on_is_registered(steps: list[Step], most: int) -> None:
    looks, at = Looks("dli", most), 1000.0
    over: set[int] = set()  # an ended query does not go on
    for step in steps:
        at += step.wait
        jobs = {number: state for number, state in step.jobs.items() if state.ended or number not in over}
        over |= {number for number, state in jobs.items() if state.ended}
        if step.failed:
            looks.fail(at)
        else:
            looks.look(at, *(named(number, state) for number, state in jobs.items()))
            going = sorted(number for number, state in jobs.items() if not state.ended)
            assert len(looks.names) <= most
            if most == 500:
                assert {f"j{number}" for number in going} <= looks.names
            elif going:
                newest = max((*going, *(int(name[1:]) for name in looks.names)))
                assert f"j{newest}" in looks.names
        for number, state in step.polled.items():
            if f"j{number}" in looks.names and (state.ended or number not in over):
                looks.store.asked(f"j{number}", "dli", state, at)
                over |= {number} if state.ended else set()


@given(steps=STEPS)
def test_a_migration_is_registered_as_long_as_the_list_tells_of_it(steps: list[Step]) -> None:
    looks, at = Looks("cdm"), 1000.0
    missed: dict[str, int] = {}  # looks in a row that were sure to tell of it
    for step in steps:
        at += step.wait
        told = {f"j{number}" for number in step.jobs}
        if step.failed:
            looks.fail(at)
        else:
            jobs = [named(number, state, place="c1") for number, state in step.jobs.items()]
            looks.look(at, *jobs, unsure=["c1"] if step.unsure else [])
            missed = {name: times + (not step.unsure) for name, times in missed.items()} | dict.fromkeys(told, 0)
            missed = {name: times for name, times in missed.items() if times < 2}
        assert looks.names == missed.keys()


def size(looks: Looks) -> int:
    """Return the objects that hang on what the rule keeps."""
    seen, todo = set[int](), [looks.findings.__dict__["_seen"]]
    while todo:
        each = todo.pop()
        if id(each) not in seen and not isinstance(each, type):
            seen.add(id(each))
            todo += gc.get_referents(each)
    return len(seen)


def test_nothing_is_kept_of_queries_that_came_and_went() -> None:
    looks = Looks("dli")
    sizes = []
    for number in range(300):
        at = 45.0 * number
        jobs = [named(number - back, State.RUNNING if back < 2 else State.SUCCEEDED, end=at - 20) for back in range(4)]
        looks.look(at, *jobs)
        for each in jobs:
            if each.listed.snapshot is not None and each.name in looks.names:
                looks.store.asked(each.name, "dli", each.listed.snapshot.state, at)
        sizes.append(size(looks))

    assert max(sizes[20:]) <= max(sizes[:20]) * 1.2


@pytest.mark.parametrize("end", [-27 * 3600.0, 1e9])
def test_a_failed_job_whose_end_cannot_be_one_stays_from_when_it_was_seen(end: float) -> None:
    began, day = 1_000_000.0, 86400.0
    answer = Snapshot(State.FAILED, run=RunId("j1", began), start=began, end=began + end)
    listed = ListedJob({"job_id": "j1"}, snapshot=answer, since=began, at=60.0).credible(began)
    findings = Findings(search("dli", 9), "r", ends=True)
    for seconds in (60, 600, day):
        findings.take(found(Named("j1", listed, Location())), began + seconds, RETENTION)
        assert [job.key.job for _, job in findings.jobs(began + seconds, RETENTION, lambda _: None)] == ["j1"]
    assert findings.jobs(began + 60 + day, RETENTION, lambda _: None) == []
