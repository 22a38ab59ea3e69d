"""Older runs of CDM jobs that an exporter may show, because the cloud told of them and of nothing newer for long."""

from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.hostile.oracle import Groups
from tests.hostile.truth import Job, Run
from tests.world.timepieces import START

if TYPE_CHECKING:
    from tests.world.simulation import Simulation

LATER = 1.0
"""Seconds by which the time of a poll may be before the call that it made arrived."""

WRITTEN_WITHIN = 60.0
"""Seconds within which what is shown of a job is in the journal, as long as its disk works."""


def path_of(job: Job) -> str:
    """Return how the path of the call ends that asks for the newest run of a job."""
    return f"{job.cluster}/cdm/job/{quote(job.name, safe='')}/status"


class OlderRuns:
    """What one exporter showed of each job, as far as it can know it: what it showed before is forgotten with it."""

    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim
        self._since = 0.0
        """When it began to know anything."""
        self._newest: dict[tuple[str, str], tuple[int, float]] = {}
        """The newest run that was shown of a job, and when it was polled last."""
        self._shown: dict[tuple[str, str], float] = {}
        """When that run was shown first."""
        self._looked = 0.0
        self._jobs = {("cdm", f"{self._cluster(job)}/{job.name}"): job for job in sim.truth.of("cdm")}

    def _cluster(self, job: Job) -> str:
        return next(cluster.name for cluster in self._sim.truth.clusters if cluster.ident == job.cluster)

    def forget(self) -> None:
        """Begin anew with an exporter that knows nothing."""
        self._newest.clear()
        self._shown.clear()
        self._since = self._sim.loop.time()

    def restarted(self) -> None:
        """Forget what may not be in the journal that the next process reads."""
        written = self._looked - WRITTEN_WITHIN
        for event in self._sim.story.events:
            if event.kind in ("disk", "slow_disk") and 1000 + event.at + event.lasts > written:
                written = min(written, 1000 + event.at - WRITTEN_WITHIN)
        for key in [key for key, at in self._shown.items() if at > written]:
            del self._newest[key], self._shown[key]

    def without(self, wrong: list[str], by_job: Groups) -> list[str]:
        """Return what is *wrong* without older runs that the last poll told, where nothing newer was known any more.

        An exporter gives up what it knew of the newest run once that is stale. Whether it was is not always scraped.
        Where the very first poll told an older run, the runs after that one are new ones and count. It tells of it what
        was true when the newer one was created, when its counters may not have been told yet.
        """
        believed = self._believed(by_job)
        shown = tuple(f"cdm/{name}: run " for _, name in believed)
        wrong = [text for text in wrong if not (text.startswith(shown) and " is shown, but " in text)]
        uncounted = tuple(
            f"cdm/{name}: rows_inserted 0" for (_, name), run in believed.items() if self._told_early(run)
        )
        wrong = [text for text in wrong if not text.startswith(uncounted)]
        if not any(" there were " in text for text in wrong):
            return wrong
        counted = tuple(f"cdm/{name}: " for (_, name), job in self._jobs.items() if self._first_was_older(job))
        return [text for text in wrong if not (text.startswith(counted) and " there were " in text)]

    def _believed(self, by_job: Groups) -> dict[tuple[str, str], Run]:
        found = {}
        self._looked = self._sim.loop.time()
        for key, job in self._jobs.items():
            group = by_job.get(key)
            polled = group.one("last_poll_timestamp_seconds") if group else None
            run = job.run(group.label("run_info", "run_id") or "") if group else None
            if polled is None or run is None:
                continue
            number, (newest, when) = job.runs.index(run), self._newest.get(key, (-1, 0.0))
            if number > newest:
                self._shown[key] = self._looked
            if number >= newest:
                self._newest[key] = number, polled
            known = number < newest and polled - when < self._sim.story.shape.stale
            if not known and self._told_older(job, polled):
                found[key] = run
        return found

    def _told_early(self, run: Run) -> bool:
        """Whether the run after this one was created before the counters of this one were told."""
        job = next(job for job in self._jobs.values() if run in job.runs)
        after = job.runs[job.runs.index(run) + 1 :]
        return bool(after) and not run.counted(after[0].created)

    def _first_was_older(self, job: Job) -> bool:
        path = path_of(job)
        calls = (call for call in self._sim.cloud.calls if call.at >= self._since and path in call.target)
        return next((call.did == "older_submission" for call in calls), False)

    def _told_older(self, job: Job, polled: float) -> bool:
        """Whether a poll of the job that ended then was answered with the run before the newest one."""
        path, shape = path_of(job), self._sim.story.shape
        for call in reversed(self._sim.cloud.calls):
            at = START + call.at
            if at < polled - shape.timeout - LATER:
                return False
            if at <= polled + LATER and call.did == "older_submission" and path in call.target:
                return True
        return False
