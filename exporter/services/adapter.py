"""What a service must provide. One module or package in ``services/`` with an ``ADAPTER`` is a complete service.

The configuration uses :attr:`Adapter.entry` for the job's fields, polling uses :meth:`Adapter.request` and
:meth:`Adapter.parse`, and :mod:`exporter.services.clouds` uses its hosts. A service that can list its jobs also has a
:class:`~exporter.services.listing.Lister`. Nothing else knows a service by name.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import cached_property
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict

from exporter.model.frozen import replace
from exporter.model.job import Job, same_target
from exporter.model.measures import MeasureFamily, Parts, Work
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.services import json_fields
from exporter.services.document import json_object
from exporter.services.error_codes import ErrorCodes
from exporter.services.listing import PAGE_SIZE, ListedJob, Lister, RowReader
from exporter.services.request import Request
from exporter.services.shapes import Shape

CLUSTER_ID: Final = "The id of the cluster."
JOB_ID: Final = "The id that the service gave the job, or the task (DWS)."
JOB_NAME: Final = "The job's own name at the service."
"""What the fields of entries are, for messages and the reference."""


class JobEntry(BaseModel, ABC):
    """The fields that only this service's jobs have, as the operator writes them: text that stays text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    @abstractmethod
    def default_name(self) -> str:
        """The value of the label ``job`` when the operator gave no ``name``."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where a service is: a pattern per cloud with ``{region}`` in it, and the regions that do not follow it."""

    patterns: Mapping[str, str]
    exceptions: Mapping[str, str] = field(default_factory=dict)
    regions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The regions where each cloud offers the service, as far as is known. Only messages of ``check`` depend on it."""

    def below(self, domain: str, region: str) -> str:
        """Return the address in a partner's cloud, which is under *domain* as this service is under the vendor's."""
        return f"{next(iter(self.patterns.values())).partition('{')[0]}{region}.{domain}"


@dataclass(frozen=True, slots=True)
class PastPage:
    """One answer of a history."""

    runs: tuple[Snapshot, ...]
    """In the order of the answer; one whose state cannot be read is of unknown state, and a row of which nothing can be
    read is a run without a name."""
    total: int | None = None
    """How many runs all pages have together, if the answer says so."""


class RunHistory(ABC):
    """How a service is asked for the runs of one job that were before the newest. Stateless and pure."""

    page_size: ClassVar[int] = PAGE_SIZE
    """Runs of one page that are asked for."""

    @abstractmethod
    def request(self, job: Job, project_id: str, page: int) -> Request:
        """Return the call for one page, counted from 1."""

    @abstractmethod
    def parse(self, body: bytes, job: Job) -> PastPage:
        """Read a 200 answer.

        Runs of another job than *job* are left out.

        Raises :class:`~exporter.model.errors.PollError` if the answer is a failure in disguise or holds no runs, and
        nothing else, whatever the bytes are.
        """


class RunReader(ABC):
    """A call about one run, whose response has what the job's own lacks, such as counts of its steps. Stateless."""

    @abstractmethod
    def request(self, job: Job, run: Snapshot, project_id: str) -> Request | None:
        """Return the call about *run*, ``None`` if there is none; it draws from :attr:`Adapter.limit`."""

    @abstractmethod
    def parse(self, body: bytes, job: Job, run: Snapshot, zone: tzinfo | None) -> Snapshot:
        """Read a 200 response about *run*, as it was last reported; *zone* as for :meth:`Adapter.parse`.

        The run is :attr:`~exporter.model.snapshot.Snapshot.idle` once the job's own response does not show it any more.

        Raises :class:`~exporter.model.errors.PollError`, and nothing else.
        """


def confirmed(answer: Snapshot, row: ListedJob) -> Snapshot:
    """Return an :attr:`~exporter.model.snapshot.Snapshot.idle` answer with what :attr:`Adapter.job_reader` read."""
    reported = Snapshot(State.UNKNOWN) if row.snapshot is None else row.snapshot
    return replace(answer, state=reported.state, native_state=reported.native_state)


class Adapter(ABC):
    """All that is known of one service: its words, its calls, its codes. Stateless and pure."""

    service: ClassVar[str]
    """The value of the label ``service``, and the name in the configuration."""
    entry: ClassVar[type[JobEntry]]
    hosts: ClassVar[Hosts]
    states: ClassVar[Mapping[str, State]]
    """The vendor's words, in upper case, and the state that each means."""
    unstarted: ClassVar[frozenset[str]] = frozenset()
    """The words that say that there is no run: the job was never started, its start failed, or it was suspended."""
    names: ClassVar[Mapping[str, str]] = {}
    """Fields of an answer that repeat which job was asked for, and the part of :attr:`Job.target` that each repeats."""
    run_part: ClassVar[str] = ""
    """The part of :attr:`Job.target` that is the id of a run, so that any run can be asked for; empty if none is."""
    place_part: ClassVar[str] = ""
    """The part of :attr:`Job.target` that says where a job runs, which many jobs share; empty if none does."""
    parts: ClassVar[Parts | None] = None
    """Where its answers report the parts of a run; ``None`` if they do not."""
    consoles: ClassVar[Mapping[str, str]] = {}
    """The address of the vendor's own page for the service by cloud, with ``{region}`` in it."""
    run_reader: ClassVar["RunReader | None"] = None
    """How to read one run alone, if such a response has what the response about the job lacks."""
    job_reader: ClassVar[RowReader | None] = None
    """How to read whether a job exists, if the response about its runs does not say it: it is asked, under
    :attr:`limit`, where that response is :attr:`~exporter.model.snapshot.Snapshot.idle`."""
    shapes: ClassVar[Mapping[str, Shape]] = {}
    """What parts of :attr:`Job.target` look like, as far as the vendor shows any; none is refused for another look."""
    zoneless: ClassVar[bool] = False
    """Whether the times of its answers come without a zone."""
    absent: ClassVar[float | None] = None
    """The number that stands for "no value" in its responses, such as -1."""
    codes: ClassVar[ErrorCodes]
    """The service's own error codes."""
    limits: ClassVar[Mapping[str, float]]
    """Limit classes and the calls a second that each allows when the operator says nothing."""
    final: ClassVar[bool]
    """Whether a run that ended can never run again under the same registration."""
    forgets: ClassVar[bool] = False
    """Whether the service's answers lose the counts of a run when the run ends."""
    moved_by_list: ClassVar[bool] = False
    """Whether only a list says what a running job has moved so far."""
    lists: ClassVar[Lister[Any] | None] = None
    """The service's lists of jobs, if it has any."""
    past: ClassVar[RunHistory | None] = None
    """The history of a job's runs, if the service keeps one."""
    sources: ClassVar[Mapping[str, str]] = {}
    """From which fields of its answers the metrics are read that all jobs have, by the metric's name: for HELP."""
    measures: ClassVar[tuple[MeasureFamily, ...]] = ()
    """The numbers that it reads of a run."""
    run_labels: ClassVar[tuple[str, ...]] = ()
    """The words of a run that ``huaweicloud_job_run_labels`` shows."""
    work: ClassVar[Work | None] = None
    """Which of them tell how much of a run is done; without it an estimate goes by the progress."""

    def of(self, target: Mapping[str, str]) -> "Adapter":
        """Return the adapter of the job that *target* tells: a service may have jobs of more than one kind."""
        return self

    @property
    def found(self) -> "Adapter":
        """The adapter of the jobs in :attr:`lists`."""
        return self

    def same_job(self, before: Mapping[str, str], target: Mapping[str, str]) -> bool:
        """Whether *before* and *target*, which one name stood for in turn, are one job or two runs of it."""
        return same_target(before, target) or (self.of(before).final and self.of(target).final)

    @cached_property
    def sums(self) -> tuple[str, ...]:
        """The measures that are added up over the runs of a job that succeeded."""
        return tuple(each.name for each in self.measures if each.total)

    @cached_property
    def live(self) -> frozenset[Measure]:
        """The measures that mean something only while a run lives."""
        return frozenset(measure for each in self.measures for measure in each.measures_alive())

    @property
    def limit(self) -> str:
        """The limit class of the calls that ask for the state of a job: the first of :attr:`limits`."""
        return next(iter(self.limits))

    @abstractmethod
    def request(self, job: Job, project_id: str) -> Request:
        """Return the call that asks for the state of *job*; it draws from :attr:`limit`."""

    def parse(self, body: bytes, job: Job, zone: tzinfo | None) -> Snapshot:
        """Read a 200 answer.

        *zone* is how to read times that come without one; without it such times are absent. Raises
        :class:`~exporter.model.errors.PollError` if the answer is of another job, is a failure in disguise or tells
        no state, and nothing else, whatever the bytes are.
        """
        fields = json_fields.Fields(json_object(body), zone=zone, absent=self.absent)
        fields.check_job(self.names, job.target)
        return self.snapshot(fields, job)

    @abstractmethod
    def snapshot(self, fields: json_fields.Fields, job: Job) -> Snapshot:
        """Return what the fields of a 200 answer say of *job*; raises as :meth:`parse` does."""
