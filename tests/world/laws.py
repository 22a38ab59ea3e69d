"""What must hold in every world, whatever happens in it."""

import math
from collections import Counter, deque
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tests.hostile.callers import LOCK
from tests.hostile.daemon import Scrape
from tests.hostile.oracle import OWN, Group, Groups, Oracle, _uncounted
from tests.hostile.truth import Job
from tests.hostile.truth import World as Truth
from tests.world.left_out import LeftOut
from tests.world.machine import POLLERS
from tests.world.older_runs import OlderRuns
from tests.world.story import Event, Story
from tests.world.timepieces import START

if TYPE_CHECKING:
    from tests.world.simulation import Simulation

UNPOLLED = 500.0
"""Seconds for which all polls of a job may fail."""
COUNTS_KEPT = 300.0
"""Seconds for which counts of lists are shown while lists fail."""
LISTS_LIE = {"misbehave", "forget", "out_of_order", "unasked", "hide", "bug"}
"""Events in which a list that is read well may lack a job, or what it counts."""
LIES_FOR = 70.0
"""Seconds after such an event in which what it broke is made good."""
UNTOLD = {"misbehave", "hang_up", "older", "out_of_order", "unasked", "vanish", "forget", "hide"}
UNTOLD |= {"bug", "kill", "kill_in_write", "power"}
"""Events in which the cloud does not tell what a run moved, or the exporter was not there to ask."""
COUNTED_WITHIN = 100.0
"""Seconds after a scrape showed a run that was seen alive to have ended, within which it is counted."""
SYNCS = 4
"""How often a disk that is slow may be waited for until a run is counted: two writes, each of a file and its folder."""
ADDED_WITHIN = 40.0
"""Seconds within which a poll follows in which the cloud tells what a run moved."""
UNCOUNTED = 8
"""Calls at most that the cloud got and the exporter has not counted, because they are under way or were given up."""
LONG = {"late", "stall", "stall_in_the_body"}
"""What keeps a call under way for as long as it may take: of these there may be more at a time."""
DELAYS = {"loss", "slow_network"}
"""Events in which a request may reach the cloud after the exporter gave it up."""
UNDER_WAY = 4.0
"""Seconds by which it may be late: what left in a minute and more then arrives in a shorter time."""
RUNNING_WITHIN = 60.0
"""Seconds after the lists told that a job runs within which it was asked itself, however many others are new."""
PAUSED = (12.0, 58.0)
"""From when to when after a refusal for too many calls no call of the same limit may arrive."""
ANSWERS_TWICE = {"unasked", "second_answer_later", "second_answer_at_once"}
"""After such a call the next answer on its connection is not read: which call it is about nobody could tell."""
MOST_CONNECTIONS = 80
MOST_TASKS = 160
ROWS = 100
"""Rows of a page that the exporter asks for."""
LATE = 75.0
"""Seconds in which a job without a next poll must have one again."""


def oracle(truth: Truth, story: Story, began: float) -> Oracle:
    """Return who compares what is shown with what is true."""
    shape = story.shape
    return Oracle(
        truth,
        slack=shape.timeout + 3,
        promised=max(shape.stale, 3 * shape.idle, 3 * shape.interval) + 25,
        list_age=2 * shape.lists + 30,
        unpolled=UNPOLLED,
        counts_kept=COUNTS_KEPT + shape.interval,  # until the next answer
        lists_lie=tuple(_liar(event) for event in story.events if event.kind in LISTS_LIE),
        registered=frozenset({"dws", "cdm"} if shape.watched == "file" else {"dws"}),
        began=began,
    )


def _liar(event: Event) -> tuple[float, float]:
    began = START + 1000 + event.at
    return began, began + event.lasts + LIES_FOR


class Laws:
    """Looks at each scrape, and at the exporter's own bookkeeping."""

    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim
        self._lost: dict[Any, float] = {}
        self._told: set[str] = set()
        self._newest: tuple[Scrape, Groups] | None = None
        self._older, self._left_out = OlderRuns(sim), LeftOut(sim, sim.machine)
        self.gone = False
        """Whether no CDM job is registered at the moment."""
        self._alive: set[tuple[str, str, str]] = set()
        self._over: dict[tuple[str, str, str], float] = {}
        self._untold: set[tuple[str, str, str]] = set()
        """Runs that the exporter which was started last has not shown. The process before may have died before it
        wrote their ends. If another run has begun since, only the history can still report them."""
        self._arrived = 0
        """Calls that the cloud got before the exporter was started last."""
        self._clusters = {cluster.ident: cluster.name for cluster in sim.truth.clusters}
        self._jobs = {f"{self._clusters[job.cluster]}/{job.name}": job for job in sim.truth.of("cdm")}

    def restarted(self, *, kept: bool) -> None:
        """Begin anew what goes with a process: all that is counted, unless a journal has *kept* the runs."""
        oracle = self._sim.oracle
        oracle.another_process()
        for key in [key for key in oracle._last if key[0][2] == "poll_failures_total"]:
            del oracle._last[key]
        self._arrived = len(self._sim.cloud.calls)
        self._untold = {key for key, at in self._over.items() if self._sim.now() - at <= COUNTED_WITHIN}
        self._sim.cloud.callers.strikes.clear()  # a new process cannot know of the refusals of the one before
        self._older.restarted()
        if kept:
            self._asked_before()
        else:
            self._alive.clear()
            self._over.clear()
            self._older.forget()
            oracle.restarted()
            oracle.began = self._sim.now()

    def _asked_before(self) -> None:
        """Note since when the process before may have known of jobs that no scrape showed while it ran."""
        oracle = self._sim.oracle
        since = oracle.began - START
        for job in self._sim.truth.of("dws"):
            key, idents = ("dws", job.name), tuple(run.ident for run in job.runs)
            calls = (call for call in self._sim.cloud.calls if call.did == "honest" and call.at >= since)
            asked = (call.at for call in calls if call.target.endswith(idents))
            if key not in oracle._looked and (first := next(asked, None)) is not None:
                oracle.asked.setdefault(key, START + first)

    def logged(self, text: str, tags: dict[str, Any]) -> None:
        """Look at a line of the log."""
        if " history incomplete " in text:
            self._sim.oracle.told_missed += tags["missing"] or 1
        for bad in ("crashed", "job requeued") if not self._sim.bugs else ():
            if f" {bad} " in f"{text} "[:60]:
                self._sim.found("log", [f"{text} {tags.get('traceback', '')}"])

    def look(self, scrape: Scrape, by_job: Groups) -> None:
        """Compare a scrape."""
        sim = self._sim
        wrong = self._left_out.without(self._older.without(sim.oracle.look(scrape, by_job), by_job))
        if self.strange():
            strange = tuple(f"{key[0]}/{key[1]}: " for key, group in by_job.items() if group.states == ["unknown"])
            wrong = [text for text in wrong if not text.startswith(strange)]
        new = [text for text in wrong if text not in self._told]
        self._told.update(new)
        sim.found("truth", new)
        self._counted(scrape, by_job)
        self._newest = scrape, by_job
        if self.gone and sim.machine.up and not (sim.broken or sim.bugs):
            there = sorted(name for service, name in by_job if service == "cdm")
            sim.found("gone", [f"cdm/{name} is still there" for name in there if "gone" not in self._told][:1])
            self._told |= {"gone"} if there else set()
        self._running_first(scrape, by_job)
        self._calls_counted(scrape)
        self._next_polls()
        self._bounds()

    def registered_anew(self, *, kept: bool) -> None:
        """Forget what was counted of the CDM jobs: nothing registered them for a while.

        A journal has *kept* their runs, but not how often polls of them failed.
        """
        oracles = [self._sim.oracle, *([self._sim.neighbour.oracle] if self._sim.neighbour else [])]
        for oracle in oracles:
            for key in [key for key in oracle._last if key[0][0] == "cdm"]:
                if not kept or key[0][2] == "poll_failures_total":
                    del oracle._last[key]
        if kept:
            return
        self._alive.clear()
        self._over.clear()
        self._older.forget()
        if self._sim.neighbour:
            self._sim.neighbour.older.forget()
        for oracle in oracles:
            for name in [name for name in oracle._looked if name[0] == "cdm"]:
                oracle._looked.pop(name)
                oracle._unseen.pop(name, None)

    def strange(self) -> bool:
        """Whether the cloud said a state that nobody knows for less long ago than a value may be old."""
        now = self._sim.loop.time() - 1000
        words = [event for event in self._sim.story.events if "unknown_state" in event.facts.get("names", ())]
        return any(event.at <= now <= event.at + event.lasts + self._sim.oracle.promised for event in words)

    def _counted(self, scrape: Scrape, by_job: Groups) -> None:
        """Each run that a scrape showed alive counts soon after one showed that it ended."""
        sim = self._sim
        if sim.machine.disk.problem is not None or self._ids_alone():
            self._over = dict.fromkeys(self._over, scrape.at)  # nothing is counted that is not on the disk, or doubtful
        slowest = max([each.facts["seconds"] for each in sim.story.events if each.kind == "slow_disk"], default=0.0)
        patience = COUNTED_WITHIN + SYNCS * slowest
        for (service, name), group in by_job.items():
            ident, states = group.label("run_info", "run_id"), group.states
            if not ident or len(states) != 1 or service != "cdm":
                continue
            key = service, name, self._called(name, ident)
            if states[0] in ("pending", "running"):
                self._alive.add(key)
            elif states[0] in ("succeeded", "failed", "cancelled") and key in self._alive:
                self._over.setdefault(key, scrape.at)
        self._untold = {key for key in self._untold if not self._shows(by_job.get(key[:2]), key)}
        self._over |= {key: scrape.at for key in self._over if key in self._untold}
        late = Counter(key[:2] for key, at in self._over.items() if scrape.at - at > patience)
        for where, least in late.items():
            found = by_job.get(where)
            values = found.values.get("runs_total", {}) if found else {}
            if values and sum(values.values()) < least:
                told = f"{'/'.join(where)}: {sum(values.values()):g} runs are counted, {least} were seen to end"
                sim.found("counted", [told] if told not in self._told else [])
                self._told.add(told)

    def _shows(self, group: Group | None, key: tuple[str, str, str]) -> bool:
        """Whether a job shows this run."""
        shown = (group.label("run_info", "run_id") or "") if group and group.states else ""
        return bool(shown) and self._called(key[1], shown) == key[2]

    def _ids_alone(self) -> bool:
        """Whether no status tells a creation and no history an id: which runs of both are one nobody could tell."""
        return any(trouble.weights.keys() == {"ids_alone"} for trouble in self._sim.troubles.active.values())

    def _called(self, name: str, ident: str) -> str:
        """Return the id of a CDM run, which may be called by its creation first and by its id later."""
        job = self._jobs.get(name)
        run = job.run(ident) if job else None
        return run.ident if run else ident

    def _running_first(self, scrape: Scrape, by_job: Groups) -> None:
        """Before anything goes wrong each job that runs was asked itself soon after a list told so."""
        sim, names = self._sim, self._clusters
        patience = RUNNING_WITHIN + sim.story.shape.lists
        if sim.neighbour:
            return
        if sim.loop.time() - 1000 < patience or any(sim.loop.time() - 1000 >= event.at for event in sim.story.events):
            return
        for job in sim.truth.of("cdm"):
            run, key = job.newest(scrape.at), ("cdm", f"{names[job.cluster]}/{job.name}")
            if run is None or not run.started < scrape.at - patience < scrape.at < run.ended:
                continue
            if not self._listed(job, run.started, scrape.at - RUNNING_WITHIN):
                continue
            group = by_job.get(key)
            if group is None or not group.label("run_info", "run_id"):
                told = f"cdm/{key[1]}: run {run.ident} goes on for {scrape.at - run.started:.0f} s and was not asked"
                sim.found("running first", [told] if key[1] not in self._told else [])
                self._told.add(key[1])

    def _listed(self, job: Job, since: float, until: float) -> bool:
        """Whether the list of the cluster was read to its end: a few idle jobs are polled one by one instead."""
        calls = (call for call in self._sim.cloud.calls if since < START + call.at < until)
        number = sum(each.cluster == job.cluster for each in self._sim.truth.of("cdm"))
        last = f"page_no={math.ceil(number / (self._sim.story.shape.page or ROWS))}&"
        return any(f"/{job.cluster}/cdm/job/all" in call.target and last in call.target for call in calls)

    def _calls_counted(self, scrape: Scrape) -> None:
        """Each call that reaches the cloud is one that the exporter knows of."""
        sim = self._sim
        if sim.neighbour:
            return
        since = sim.loop.time() - sim.story.shape.timeout
        under_way = sum(call.did in LONG and call.at > since for call in sim.cloud.calls)
        arrived = len(sim.cloud.calls) - self._arrived - under_way
        known = sum(scrape.all(f"{OWN}api_requests_total").values())
        told = f"{arrived} calls arrived, {known:g} are counted"
        sim.found("calls counted", [told] if arrived - known > UNCOUNTED and "calls" not in self._told else [])
        self._told |= {"calls"} if arrived - known > UNCOUNTED else set()

    def _next_polls(self) -> None:
        sim = self._sim
        poller: Any = POLLERS.get(sim.machine.host) if sim.machine.host else None
        if poller is None:
            return
        waiting, now = poller._limiter.waiting(), sim.loop.time()
        lost = {
            record.job.key
            for record in poller._store.records()
            if not (record.final or record.job.key in waiting or record.job.key in poller._asked)
            and poller._schedule.time(record.job.key) is None
        }
        self._lost = {key: self._lost.get(key, now) for key in sorted(lost)}
        sim.found("next poll", [f"{key} has none" for key, since in self._lost.items() if now - since > LATE][:1])

    def _bounds(self) -> None:
        sim = self._sim
        host = sim.machine.host
        wires = sum(wire.host is host for wire in sim.network.wires)
        tasks = len(host.tasks) if host else 0
        sim.figures["most connections"] = max(sim.figures["most connections"], wires)
        sim.figures["most tasks"] = max(sim.figures["most tasks"], tasks)
        held = host.busiest if host else 0.0
        sim.figures["longest callback, us"] = max(sim.figures["longest callback, us"], int(1e6 * held))
        if wires > MOST_CONNECTIONS and sim.machine.up:
            sim.found("bounds", [f"{wires} connections"])
        if tasks > MOST_TASKS:
            sim.found("bounds", [f"{tasks} tasks"])

    def _rows(self) -> None:
        """What succeeded runs moved is added, where the cloud always told it in time."""
        sim, names = self._sim, self._clusters
        if self._newest is None or {event.kind for event in sim.story.events} & UNTOLD:
            return
        scrape, by_job = self._newest
        until = scrape.at - ADDED_WITHIN
        if any(call.did.startswith("throttled") and START + call.at > until - 60 for call in sim.cloud.calls):
            return  # two exporters on one key may have one of them wait for a minute
        for job in sim.truth.of("cdm"):
            key = "cdm", f"{names[job.cluster]}/{job.name}"
            group, since = by_job.get(key), sim.oracle._looked.get(key, scrape.at)
            if group is not None:
                told = self._told_by(job, until)
                sim.found("rows", [f"cdm/{key[1]}: {text}" for text in _uncounted(job, group, told, since)])

    def _told_by(self, job: Job, until: float) -> float:
        """Return *until*, or an earlier moment if the cloud told a run's rows after the next run began.

        They are added by the next poll of the job.
        """
        idle = self._sim.story.shape.idle
        late = ((run.ended + run.late, after.created) for run, after in pairwise(job.runs))
        return until - idle if any(next_one <= at and until - idle < at for at, next_one in late) else until

    def at_the_end(self) -> None:
        """Look at all calls."""
        sim = self._sim
        self._rows()
        rates, recent = sim.story.shape.rate, {name: deque[float]() for name in sim.story.shape.rate}
        told: set[str] = set()
        minute = 60.0 - (UNDER_WAY if {event.kind for event in sim.story.events} & DELAYS else 0.0)
        for call in sim.cloud.calls:
            times = recent.get(call.limit)
            if times is None:
                continue
            times.append(call.at)
            while times[0] <= call.at - minute:
                times.popleft()
            most = 60 * rates[call.limit] * (2 if sim.neighbour else 1) + (5 if len(sim.machine.starts) > 1 else 0)
            if len(times) > most and call.limit not in told:
                told.add(call.limit)
                sim.found("limit", [f"{len(times)} calls of {call.limit} in the minute before {call.at - 1000:.1f}"])
        self._pauses()
        locks = sim.cloud.callers.locks - self._locked_at_once()
        if locks and not sim.neighbour:  # each of two spares the key for itself
            sim.found("refusals", [f"the key was locked {locks} times"])

    def _locked_at_once(self) -> int:
        """Return how many locks are by calls that a cut held back: they arrived together, before any was answered."""
        ends = [START + 1000 + event.at + event.lasts for event in self._sim.story.events if event.kind == "cut"]
        times = [until - LOCK for until in self._sim.cloud.callers.locked.values()]
        return sum(any(0 <= at - end < UNDER_WAY for end in ends) for at in times)

    def _pauses(self) -> None:
        """No call follows within a minute a refusal for too many calls."""
        sim, refused, before = self._sim, dict[str, list[float]](), dict[int, str]()
        if sim.neighbour:
            return
        for call in sim.cloud.calls:
            heard = before.get(call.connection) not in ANSWERS_TWICE
            before[call.connection] = call.did
            since = [at for at in refused.get(call.limit, []) if PAUSED[0] < call.at - at < PAUSED[1]]
            if since and not any(since[0] < start <= call.at for start in sim.machine.starts):
                told = f"a call of {call.limit} {call.at - since[0]:.1f} s after a refusal at {since[0] - 1000:.1f}"
                sim.found("pause", [told])
                return
            if heard and call.did.startswith("throttled") and call.limit in sim.story.shape.rate:
                refused.setdefault(call.limit, []).append(call.at)
