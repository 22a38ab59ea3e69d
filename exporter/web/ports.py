"""The protocol through which the web server uses the exporter; the composition root provides an implementation."""

from collections.abc import Collection, Hashable, Mapping
from datetime import tzinfo
from typing import Any, Protocol

from exporter.model.job import JobKey
from exporter.model.masking import VendorText
from exporter.model.record import Record
from exporter.runs.past import JobPast, Watch


class Exporter(Protocol):
    """The bytes of /metrics, what is known of the registered jobs, and the reload; times are Unix seconds."""

    def sections(self, openmetrics: bool, names: frozenset[str]) -> list[list[bytes]]:
        """Return the body of /metrics, one family after the other, each in parts that never change.

        With *names* only the samples that are called so.
        """

    def records(self) -> Collection[Record]:
        """Return the record of every job."""

    def record(self, service: str, job: str) -> Record | None:
        """Return the record of one job, ``None`` if it is not registered."""

    def next_due(self, key: JobKey) -> float | None:
        """Return when the job is polled next, ``None`` if never again or not while its cluster is off."""

    def waiting(self) -> Collection[str]:
        """Return what was not tried yet: jobs (none whose cluster is off), and rules that did not read their lists."""

    def past(self, key: JobKey) -> JobPast | None:
        """Return what is kept of a job's past; ``None`` if it had to go."""

    def past_mark(self, key: JobKey) -> object:
        """Return what is equal as long as the runs and the turns of a job's past are the same."""

    def last_failure(self, key: JobKey) -> float | None:
        """Return when the last run of a job ended that failed, as far as is known."""

    def lines(self, key: JobKey) -> bytes:
        """Return the lines of a job on /metrics."""

    def zone(self, project: str) -> tzinfo | None:
        """Return the time zone of a project's cloud, if the configuration says it."""

    def console(self, record: Record) -> str:
        """Return the address of the vendor's own page of the job's service, empty if it is not known."""

    @property
    def watch(self) -> Watch:
        """Return since when the jobs are watched, and what changed."""

    @property
    def revision(self) -> tuple[Hashable, ...]:
        """Return what is another as soon as anything changed that can be shown."""

    def now(self) -> float:
        """Return the time."""

    def place(self, record: Record) -> Mapping[str, str]:
        """Return where the job's project is: ``region`` and ``project_id``."""

    @property
    def vendor_text(self) -> VendorText:
        """Return how much of the vendor's own text page and JSON repeat."""

    @property
    def may_reload(self) -> bool:
        """Whether a request may have the configuration read again."""

    async def reload(self) -> dict[str, Any]:
        """Read the configuration again and return what became of the jobs.

        Raises :class:`~exporter.model.errors.SettingsError` if it is refused.
        """
