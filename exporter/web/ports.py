"""What the web side needs of the exporter, in its own words; the composition root provides it."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from exporter.model.job import JobKey
from exporter.model.masking import VendorText
from exporter.model.record import Record


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
        """Return when the job is polled next, ``None`` if never again."""

    def waiting(self) -> Collection[str]:
        """Return what was not tried yet: jobs that were not polled, and rules that did not read their lists."""

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
