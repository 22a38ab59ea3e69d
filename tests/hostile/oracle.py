"""Compares what an exporter shows with what is true: right or absent, never something that was not.

A value must be one that was true at some moment since its last poll began; what is older than the exporter promises
must be gone. Counters never fall, and count a run at most once. The oracle knows the contract of the metrics and the
truth; it knows nothing of how either is come by.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache

from tests.hostile.daemon import Labels, Scrape
from tests.hostile.honest import CODES, rows_inserted
from tests.hostile.truth import NEVER, STEP, Job, Run, World

PREFIX = "huaweicloud_job_"
OWN = f"{PREFIX}exporter_"
STRETCHED_FOR = 60.0
"""Seconds for which an age that was allowed once is allowed."""
BELIEVED_FOR = 6.0
"""Seconds until a job that was stale is polled again: until then it may show an older run of CDM, because what was
known of the newest one was given up."""
SEEN_LATE = 300.0
"""Seconds for which a run of DLI that another one replaced under its name is asked how it ended: one whose answer tells
no end succeeded when that was seen."""
STATES = ("pending", "running", "succeeded", "failed", "cancelled", "unknown")
COUNTS = ("_total", "_sum", "_count", "_bucket")


@dataclass
class Group:
    """The samples of one job."""

    service: str
    name: str
    values: dict[str, dict[Labels, float]] = field(default_factory=lambda: defaultdict(dict))

    def one(self, metric: str) -> float | None:
        """Return the only value of a metric."""
        values = self.values.get(metric, {})
        return next(iter(values.values())) if len(values) == 1 else None

    def label(self, metric: str, key: str) -> str | None:
        """Return a label of a metric that there is once."""
        values = self.values.get(metric, {})
        return dict(next(iter(values))).get(key) if len(values) == 1 else None

    @property
    def states(self) -> list[str]:
        """The states that hold."""
        return [dict(labels).get("state", "") for labels, value in self.values.get("state", {}).items() if value == 1]


Groups = dict[tuple[str, str], Group]


def groups(scrape: Scrape) -> Groups:
    """Return the samples of a scrape by job."""
    found: Groups = {}
    for (name, labels), value in scrape.samples.items():
        place = _place(name, labels)
        if place is not None:
            key, metric, rest = place
            found.setdefault(key, Group(*key)).values[metric][rest] = value
    return found


@cache
def _place(name: str, labels: Labels) -> tuple[tuple[str, str], str, Labels] | None:
    """Return the job, the metric and the further labels of a series; None if it is of no job."""
    mapping = dict(labels)
    if name.startswith(OWN) or not name.startswith(PREFIX) or not {"service", "job"} <= mapping.keys():
        return None
    key = mapping.pop("service"), mapping.pop("job")
    return key, name.removeprefix(PREFIX), tuple(sorted(mapping.items()))


@dataclass
class Oracle:
    """What was seen so far, and what of it cannot be.

    *slack* is how long a value may lag behind its poll: the call's own time and the clocks; *promised* is the age
    after which a job that no poll reached must show nothing of its run any more.
    """

    world: World
    slack: float = 3.0
    promised: float = 15.0
    list_age: float = 6.0
    """Seconds before a list is begun to be read at which a run must have begun to be among its rows in any case."""
    counts_kept: float = 0.0
    """Seconds by which counts that only lists report may be older than the last poll that worked, while lists fail."""
    lists_lie: tuple[tuple[float, float], ...] = ((-NEVER, NEVER),)
    """From when to when a list that was read well may have lacked a job, or its counts."""
    prefix: str = ""
    """Of the jobs that are in this world, where one exporter watches several."""
    unpolled: float = 60.0
    """Seconds at most from the end of a run to the poll that sees it, whose moment counts where no answer tells one."""
    registered: frozenset[str] = frozenset({"dws"})
    """Services whose jobs are registered from the start, and there before anything told of them."""
    project: str = "hostile"
    began: float = field(default_factory=time.time)
    """Before the exporter started: what ended then is not counted by it."""
    faults: list[str] = field(default_factory=list)
    _last: dict[tuple[tuple[str, str, str], Labels], float] = field(default_factory=dict)
    _unseen: dict[tuple[str, str], float] = field(default_factory=dict)
    """Until when nothing was known of a job: a run that had ended by then was over at first sight."""
    _looked: dict[tuple[str, str], float] = field(default_factory=dict)
    """When a job was first known, by a list or a poll: each run that ends later is counted."""
    asked: dict[tuple[str, str], float] = field(default_factory=dict)
    """When a process was first told of a job that no scrape showed before it ended: its journal may contain the job."""
    _listed: dict[str, tuple[float, float]] = field(default_factory=dict)
    """When the lists of a service were read well the time before the last, each of which may have taken long, and when
    last."""
    hidden: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Before what moment a run of a name was surely told by the lists that were read before none had it, and when they
    had it again."""
    _readings: Counter[str] = field(default_factory=Counter)
    """How often the lists of a service were seen to be read well by the process that runs."""
    told_missed: int = 0
    """Runs that were reported as missed by a process before, whose journal keeps what it counted and not this."""
    untold: set[tuple[str, str]] = field(default_factory=set)
    """Jobs of which not all runs have to be counted, because nothing told of some."""
    compared: int = 0
    _polls: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    """The last poll of a job that worked, and the longest time between two such polls that was seen."""
    _stale: dict[tuple[str, str], float] = field(default_factory=dict)
    """When a job was last there without any state."""
    _stretched: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = {cluster.ident: cluster.name for cluster in self.world.clusters}
        self._jobs = {(job.service, _shown(job, names)): job for job in self.world.jobs}

    def look(self, scrape: Scrape, by_job: Groups | None = None) -> list[str]:
        """Compare a scrape and return what is wrong with it."""
        wrong: list[str] = []
        by_job = groups(scrape) if by_job is None else by_job
        self._notice(scrape, by_job)
        for key, group in by_job.items():
            if not key[1].startswith(self.prefix):
                continue
            job = self._jobs.get(key)
            if job is None:
                wrong.append(f"{key}: there is no such job")
                continue
            wrong += [f"{key[0]}/{key[1]}: {text}" for text in (*self._falls(group), *self._job(job, group, scrape.at))]
        self.faults += wrong
        return wrong

    def _notice(self, scrape: Scrape, by_job: Groups) -> None:
        """Note what is known since when, and how much longer than configured the intervals are."""
        ratio = scrape.value(f"{OWN}poll_interval_stretch_ratio", project=self.project) or 1.0
        self._stretched = [each for each in self._stretched if each[0] > scrape.at - STRETCHED_FOR]
        self._stretched.append((scrape.at, ratio))
        for service in ("dli", "cdm"):
            name = f"{OWN}discovery_last_success_timestamp_seconds"
            listed = scrape.value(name, service=service, project=self.project)
            _, last = self._listed.get(service, (0.0, 0.0))
            if listed is not None and listed != last:
                self._listed[service] = last, listed
                self._readings[service] += 1
        if scrape.status != 200:
            return
        for key, job in self._jobs.items():
            group = by_job.get(key)
            # a job of a rule is there once a list told of it, one that is registered from the start
            known = group is not None and (job.service not in self.registered or bool(group.states))
            if known:
                self._looked.setdefault(key, scrape.at)
            elif key not in self._looked:
                asked = self.asked.get(key, NEVER)
                self._unseen[key] = min(self._round_before(scrape, job), scrape.at - scrape.took - 0.5, asked)

    def _round_before(self, scrape: Scrape, job: Job) -> float:
        """Return when the lists were last read without a job: the next reading began after that, and may take long."""
        if job.service == "dws":
            return scrape.at
        name = f"{OWN}discovery_last_success_timestamp_seconds"
        return scrape.value(name, service=job.service, project=self.project) or self.began

    @property
    def _age(self) -> float:
        """The age after which values must be gone: the contract gives it in intervals as they are."""
        return self.promised * self._stretch

    @property
    def _stretch(self) -> float:
        return max((ratio for _, ratio in self._stretched), default=1.0)

    def _list_before(self, service: str, now: float) -> float:
        """Return a moment before which what the newest lists told cannot have been true any more."""
        return min(self._listed.get(service, (0.0, 0.0))[0], now) - self.list_age

    def _told_before(self, job: Job, now: float) -> float:
        """Return the same for the runs of a job: a reading in which it was not told nothing of them."""
        told, ended = self.hidden.get(job.name, (NEVER, -NEVER))
        before = self._list_before(job.service, now)
        return before if self._listed.get(job.service, (0.0, 0.0))[0] > ended else min(before, told)

    def hides(self, job: Job, now: float) -> None:
        """Note that from *now* on no list has a job: where lists failed until then, nothing told its latest runs."""
        told = self._readings[job.service] > 1
        self.hidden[job.name] = self._list_before(job.service, now) if told else -NEVER, NEVER

    def another_process(self) -> None:
        """Note a new process: lists that another one read told it nothing.

        It shows the newest run that its own lists told. Of one that was being read when they had the job again, the
        page with the newest run may have been read before.
        """
        self._readings.clear()
        self._listed.clear()
        self.hidden = {name: (-NEVER, ended) for name, (_, ended) in self.hidden.items()}

    def tells_again(self, job: Job, now: float) -> None:
        """Note that lists have a job again; one that is being read may still lack it."""
        self.hidden[job.name] = self.hidden[job.name][0], now

    def missing(self, scrape: Scrape, by_job: Groups | None = None, *, counts: bool = True) -> list[str]:
        """Return what a quiet time later should be there and is not: every job, up, with its newest run, counted."""
        found, wrong, uncounted, lacking = groups(scrape) if by_job is None else by_job, list[str](), list[str](), 0.0
        for key, job in self._jobs.items():
            group, run, where = found.get(key), job.newest(scrape.at), "/".join(key)
            if run is None:
                continue
            if group is None or group.one("up") != 1:
                wrong.append(f"{where}: up is {group and group.one('up')}")
            elif group.states != [run.state(scrape.at)]:
                wrong.append(f"{where}: {group.states} instead of {run.state(scrape.at)}")
            elif job.service == "cdm" and counts and key not in self.untold:
                since = self._looked.get(key, scrape.at)
                uncounted += [f"{where}: {text}" for text in _uncounted(job, group, scrape.at, since)]
                lacking += sum(least - count for _, count, least in _counts(job, group, scrape.at, since))
        # a history may keep runs to itself: the exporter says so, and how many
        told = scrape.value(f"{OWN}history_runs_missed_total", service="cdm", project=self.project) or 0.0
        told = max(told, self.told_missed)
        return wrong + (uncounted if lacking > told else [])

    def restarted(self) -> None:
        """Forget the counters: the exporter has no journal and begins anew."""
        self.began = time.time()
        for each in (self._last, self._unseen, self._looked, self.asked):
            each.clear()
        self._listed.clear()
        self.told_missed = 0

    def _falls(self, group: Group) -> Iterator[str]:
        for metric, values in group.values.items():
            if not metric.endswith(COUNTS):
                continue
            for labels, value in values.items():
                key = (group.service, group.name, metric), labels
                if value < self._last.get(key, 0.0):
                    yield f"{metric}{dict(labels)} fell from {self._last[key]} to {value}"
                self._last[key] = value

    def _job(self, job: Job, group: Group, now: float) -> Iterator[str]:
        self.compared += sum(len(each) for each in group.values.values())
        if group.values.get("state") and len(group.states) != 1:
            yield f"the states that hold are {group.states}"
        unseen = self._unseen.get((group.service, group.name), self.began)
        yield from _counted(job, group, now, max(unseen, self.began), self.began)
        key, polled = (group.service, group.name), group.one("last_poll_timestamp_seconds")
        if polled is not None:
            before, longest = self._polls.get(key, (polled, 0.0))
            self._polls[key] = polled, max(longest, polled - before)
        seen_late = max(SEEN_LATE, self._polls.get(key, (0.0, 0.0))[1]) if job.service == "dli" else 0.0
        yield from _lasts(job, group, now, max(self.unpolled, seen_late))
        if polled is not None and polled > now + 1:
            yield f"the last poll is in the future: {polled}"
        if not group.states:
            self._stale[group.service, group.name] = now
            return
        state = group.states[0]
        ident = _ident(job, group)
        runs = [job.run(ident)] if ident else list(self._candidates(job, polled, now))
        if ident and runs == [None]:
            yield f"state {state} of run {ident!r}, which there was not"
        elif not runs and (state != "pending" or any(run.created < now - self._age - self.slack for run in job.runs)):
            yield f"state {state}, and there was no run"
        found = [list(self._run(job, run, group, polled, now)) for run in runs if run is not None]
        yield from min(found, key=len, default=[])

    def _candidates(self, job: Job, polled: float | None, now: float) -> Iterator[Run]:
        """Return the runs that may be meant where a CDM list told no id: the newest ones of the time."""
        since = max(now - self._age, polled or 0.0) - self.slack
        for run, after in zip(job.runs, [*job.runs[1:], None], strict=False):
            if run.created <= now and (after is None or after.created >= since):
                yield run

    def _run(self, job: Job, run: Run, group: Group, polled: float | None, now: float) -> Iterator[str]:
        """Compare what is shown with one run."""
        if run.created > now:
            yield f"run {run.ident} has not begun yet"
        since = self._since(job, run, group.states[0], polled, now)
        yield from self._newest(job, run, group, since, now)
        kept = (polled or now) - self.counts_kept  # what lists told is as of the last poll that worked
        listed = min(now - self._age, kept) - self.slack
        before = self._list_before(job.service, now)
        if not any(began <= now and before <= ended for began, ended in self.lists_lie):
            listed = max(listed, before)
        for text in _values(job, run, group, since, now, listed, self._listed.get(job.service, (0.0, now))[1]):
            yield f"{text}; run {run.ident} in {now - since:.1f} s ({_when(run, now)})"

    def _since(self, job: Job, run: Run, state: str, polled: float | None, now: float) -> float:
        """Return the earliest moment of which a value may tell."""
        if job.service != "cdm" and state not in ("pending", "running", "unknown"):
            return min(now, run.ended + 1) - self.slack
        return max(now - self._age, polled or 0.0) - self.slack if polled else now - self._age - self.slack

    def _newest(self, job: Job, run: Run, group: Group, since: float, now: float) -> Iterator[str]:
        if job.service == "dws":
            return
        if (
            job.service == "cdm"
            and now <= self._stale.get((group.service, group.name), 0.0) + BELIEVED_FOR + self.slack
        ):
            return
        # A final run is never stale: that of DLI stays until a list that was read well tells the next. The last reading
        # began after the one before had ended.
        earliest = since if job.service == "cdm" else self._told_before(job, now)
        index = job.runs.index(run)
        after = job.runs[index + 1] if index + 1 < len(job.runs) else None
        if after is not None and after.created < earliest:
            yield f"run {run.ident} is shown, but {after.ident} began {now - after.created:.1f} s ago"


def _ident(job: Job, group: Group) -> str:
    """Return the id of the run that is shown; that of DLI and DWS is the job's own."""
    ident = group.label("run_info", "run_id") or group.label("info", "run_id") or ""
    return ident if ident or job.service == "cdm" else group.label("info", "job_id") or ""


def _when(run: Run, now: float) -> str:
    return f"began {now - run.created:.1f}, ended {now - run.ended:.1f} s ago, {run.result}"


def _shown(job: Job, clusters: dict[str, str]) -> str:
    return f"{clusters[job.cluster]}/{job.name}" if job.service == "cdm" else job.name


@dataclass(frozen=True)
class Once:
    """Every value that *what* had in a window, from *near* back to its beginning, then from its end back to *near*.

    What is shown is mostly of the last poll or list: of all moments those just before it come first.
    """

    run: Run
    since: float
    now: float
    what: Callable[[float], float | None]
    near: float | None = None

    def __iter__(self) -> Iterator[float]:
        run, near = self.run, self.now if self.near is None else max(self.since, min(self.near, self.now))
        yield from self._down(near, self.since)
        for mark in (self.since, run.started, run.ended, run.ended + run.late):
            if self.since <= mark <= self.now:
                yield from self._at(mark)
        yield from self._down(self.now, near)

    def _down(self, at: float, until: float) -> Iterator[float]:
        while at > until:
            yield from self._at(at)
            at -= STEP / 2

    def _at(self, moment: float) -> Iterator[float]:
        value = self.what(moment)
        if value is not None:
            yield value


def _is(value: float, right: Iterable[float]) -> bool:
    return any(abs(each - value) < 1e-6 for each in right)


def _values(job: Job, run: Run, group: Group, since: float, now: float, listed: float, read: float) -> Iterator[str]:
    """Compare the values of a run; lists were *read* last at that moment."""
    state, polled = group.states[0], group.one("last_poll_timestamp_seconds")
    states = Once(run, since, now, lambda at: STATES.index(run.state(at)), polled)
    if STATES.index(state) not in states:
        yield f"state {state}, not of {sorted({STATES[int(each)] for each in states})}"
    expected: dict[str, Iterable[float]] = {"progress_ratio": _progress(job, run, state, since, now, polled)}
    expected["start_timestamp_seconds"] = {run.started, run.created}
    expected["end_timestamp_seconds"] = {run.ended} if now >= run.ended else set()
    if job.service == "cdm":
        expected |= _rows(job, run, state, since, now, polled)
        if state in (
            "running",
            "unknown",
        ):  # the counts of a run that goes on are those of the last list, not of the last poll
            expected |= dict.fromkeys(("rows_read", "rows_written"), Once(run, listed, now, run.rows_done, read))
    if job.service == "dli":
        yield from _tasks(run, group, state, since, now)
    for metric, right in expected.items():
        value = group.one(metric)
        if value is not None and not _is(value, right):
            yield f"{metric} {value!r}, not of {sorted(set(right))[:12]}"
    code = group.label("failure_info", "code")
    if code is not None and (state != "failed" or code not in (CODES[job.service], "other")):
        yield f"failure_info {code} in state {state}"


def _progress(job: Job, run: Run, state: str, since: float, now: float, near: float | None) -> Iterable[float]:
    if state == "succeeded":
        return {1.0}
    if state == "failed" and job.service == "cdm":
        return set()
    return Once(run, since, now, lambda at: run.share(at) / 100, near)


def _rows(job: Job, run: Run, state: str, since: float, now: float, near: float | None) -> dict[str, Iterable[float]]:
    done = Once(run, since, now, run.rows_done, near)
    files: dict[str, Iterable[float]] = {
        "files_read": {12.0},
        "files_written": {11.0},
        "files": {12.0},
        "files_skipped": {1.0},
        "read_bytes": {7340.0},
        "written_bytes": {7340.0},
        "size_bytes": {7340.0},
    }
    return {
        "rows_read": done,
        "rows_written": done,
        "rows_inserted": Once(run, since, now, lambda at: rows_inserted(run, at), near),
        "rows_updated": {0.0},
        "rows_deleted": {0.0},
        **(files if job.files and state == "succeeded" else {metric: set() for metric in files}),
    }


def _tasks(run: Run, group: Group, state: str, since: float, now: float) -> Iterator[str]:
    tasks = group.values.get("tasks", {})
    if not tasks:
        return
    over = state not in ("pending", "running")
    done = _shares(run, run.started if over else since, now)
    active = {100 - each for each in done}
    for labels, value in tasks.items():
        kind = dict(labels)["state"]
        if kind == "active" and over:
            yield f"{value} tasks are active in state {state}"
        right = done if kind == "completed" else active if kind == "active" else {0}
        if not _is(value, right):
            yield f"{value} tasks are {kind}"


def _shares(run: Run, since: float, now: float) -> set[float]:
    """Return every share that was done in a window; of a long run each per cent was."""
    if run.ended - run.started < 100 * STEP:
        return set(Once(run, since, now, run.share))
    until = min(now, run.ended - STEP)
    return {*range(run.share(since), run.share(until) + 1), run.share(now)}


def _counted(job: Job, group: Group, now: float, unseen: float, began: float) -> Iterator[str]:
    """Compare the counters over all runs: no more than there were.

    A run that had ended at first sight is not counted. Where a rule finds runs by their names (DLI), those that ended
    after its first look began may be, though it missed all of them while they lasted: a list may leave out the newest.
    """
    since = began if job.service == "dli" else unseen
    ended = [run for run in job.runs if since <= run.ended <= now + 1]
    for labels, value in group.values.get("runs_total", {}).items():
        result = dict(labels)["result"]
        most = sum(run.result == result for run in ended)
        if value > most:
            yield f"{value:g} runs {result}, there were {most}"
    most_rows = sum(run.rows for run in ended if run.result == "succeeded")
    for metric in ("runs_rows_written_total", "runs_rows_read_total"):
        rows = group.one(metric)
        if rows is not None and rows > most_rows:
            yield f"{metric} {rows:g}, there were {most_rows}"


def _lasts(job: Job, group: Group, now: float, seen_late: float) -> Iterator[str]:
    """Compare what is shown of the last run that ended."""
    for word, result in (("success", "succeeded"), ("failure", "failed")):
        last = group.one(f"last_{word}_timestamp_seconds")
        if last is not None and not any(
            run.ended - 1 <= last <= run.ended + seen_late
            for run in job.runs
            if run.result == result and run.ended <= now + 1
        ):
            yield f"last_{word} {last!r} is the end of no run that {result}"
    duration = group.one("last_run_duration_seconds")
    lengths = {run.ended - begun for run in job.runs if run.ended <= now + 1 for begun in (run.started, run.created)}
    if duration is not None and not any(abs(duration - each) < 1e-6 for each in lengths):
        yield f"last_run_duration {duration!r} is that of no run"


def _surely_ended(job: Job, now: float, since: float) -> list[Run]:
    return [run for run in job.runs if run.ended > since and run.ended + run.late < now - 5]


def _counts(job: Job, group: Group, now: float, since: float) -> Iterator[tuple[str, float, int]]:
    """Return each result of which less runs are counted than there surely were, and both numbers."""
    surely = _surely_ended(job, now, since)
    for result in ("succeeded", "failed"):
        count = group.values.get("runs_total", {}).get((("result", result),), 0.0)
        least = sum(run.result == result for run in surely)
        if count < least:
            yield result, count, least


def _uncounted(job: Job, group: Group, now: float, since: float) -> Iterator[str]:
    """Compare the counters over all runs: no less than there were that ended since the job was first known."""
    for result, count, least in _counts(job, group, now, since):
        yield f"{count:g} runs {result} are counted, there were {least}"
    rows = sum(run.rows for run in _surely_ended(job, now, since) if run.result == "succeeded")
    counted = group.one("runs_rows_written_total") or 0.0
    if counted < rows:
        yield f"{counted:g} rows are counted, there were {rows}"
