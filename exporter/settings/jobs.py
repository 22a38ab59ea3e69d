"""The jobs of the configuration: each entry is a service, a few keys of ours and the service's own fields."""

from pydantic import Field

from exporter.core.adapter import Entry as AdapterEntry
from exporter.core.model import Job, JobKey
from exporter.core.packed import Packed
from exporter.core.registry import STATIC
from exporter.core.sentences import shown
from exporter.settings import fields
from exporter.settings.mistakes import Path, path_text
from exporter.settings.reading import Reading
from exporter.settings.section import Section
from exporter.settings.tree import Node, Table, Text, place_of


class Entry(Section):
    """The keys that a job of any service has."""

    service: fields.Opaque = Field(description="The service that runs the job.")
    name: fields.Opaque | None = Field(
        default=None,
        description="The job's name in metrics, once per service; without it the service's own name of the job.",
    )
    project: fields.Opaque | None = Field(
        default=None, description="The project that the job is in; may be left out with one project."
    )
    interval: fields.Interval | None = Field(
        default=None, description="Time between two polls while this job runs, instead of poll.interval (a duration)."
    )


class Reader(Reading):
    """Reads the jobs of one configuration, or of one job file."""

    common = Entry
    what = "jobs"

    def read(self, entries: Node, under: Path = ("jobs",), *, required: bool = False) -> tuple[Job, ...]:
        """Return the jobs that can be read of *entries*, which stand at *under*."""
        self._first: dict[JobKey, Path] = {}
        if not entries and required and not isinstance(entries, Text | Table):
            self._tell(
                under,
                "no job is registered; list at least one under jobs or in EXPORTER_JOBS, or set job_files or discovery",
            )
        found = [self._job(path, entry) for path, entry in self._tables(entries, under)]
        return tuple(job for job in found if job is not None)

    def _job(self, path: Path, entry: Table) -> Job | None:
        common = self._shared(path, entry)
        adapter = self._adapter(path, entry)
        project = self._project(path, entry)
        own = self._own(path, entry, adapter.entry) if adapter else None
        if adapter and project:
            self._reachable(path, adapter, project)
        if not isinstance(common, Entry) or adapter is None or not isinstance(own, AdapterEntry):
            return None
        key = JobKey(adapter.service, common.name or own.default_name)
        if self._source == STATIC:
            self._once(path, key, entry)
        target = {field: str(value) for field, value in own.model_dump(exclude_none=True).items()}
        return Job(key, project, Packed(target), common.interval, self._source, self._region(project))

    def _once(self, path: Path, key: JobKey, entry: Table) -> None:
        first = self._first.setdefault(key, path)
        if first is path:
            return
        where = f"{place_of(self._root, first)}: {path_text(first)}"
        at = (*path, "name") if entry.get("name") is not None else path
        self._tell(at, f"the name {shown(key.job)} is taken among the {key.service} jobs by {where}; give it another")
