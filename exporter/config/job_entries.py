"""The jobs of the configuration: each entry has a service, a few common keys, and the fields of the service."""

from collections.abc import Mapping

from pydantic import Field

from exporter.config import types
from exporter.config.entries import EntryReader
from exporter.config.errors import Mistake, Path, path_text
from exporter.config.promise_entries import PromiseEntry
from exporter.config.section import Section
from exporter.config.tree import MappingNode, Node, Text, place_of
from exporter.model.changes import STATIC
from exporter.model.job import UNLABELLED, Job, JobKey
from exporter.model.messages import quoted
from exporter.model.packed import Packed
from exporter.services.adapter import JobEntry as AdapterEntry


class Entry(Section):
    """The keys that a job of any service has."""

    service: types.Opaque = Field(description="The service that runs the job.")
    name: types.Opaque | None = Field(
        default=None,
        description="The job's name in metrics, unique for its service; the default is the service's own name.",
    )
    project: types.Opaque | None = Field(
        default=None, description="The project of the job; may be left out if there is only one project."
    )
    interval: types.Interval | None = Field(
        default=None, description="Time between two polls while this job runs, instead of poll.interval (a duration)."
    )
    labels: Mapping[types.Opaque, types.AnyText] = Field(
        default={},
        description=(
            "Labels of your own for the job, such as {team: sales}; metrics.job_labels selects those that metrics show."
        ),
    )
    promises: PromiseEntry | None = Field(default=None, description="Promises of the job, for alerts.")


class Reader(EntryReader):
    """Reads the jobs of one configuration, or of one job file."""

    common = Entry
    what = "jobs"

    def read(self, entries: Node, under: Path = ("jobs",), *, required: bool = False) -> tuple[Job, ...]:
        """Return the jobs that can be read of *entries*, which stand at *under*."""
        self._first: dict[JobKey, Path] = {}
        if not entries and required and not isinstance(entries, Text | MappingNode):
            sentence = (
                "no job is registered; list at least one under jobs or in EXPORTER_JOBS, or set job_files or discovery;"
                " the command `discover` prints the jobs that exist and needs only projects"
            )
            lacks = (under, ("job_files",), ("discovery",))
            self.mistakes.append(Mistake(place_of(self._root, under), under, sentence, lacks))
        found = [self._job(path, entry) for path, entry in self._tables(entries, under)]
        return tuple(job for job in found if job is not None)

    def _job(self, path: Path, entry: MappingNode) -> Job | None:
        common = self._shared(path, entry)
        adapter = self._adapter(path, entry)
        project = self._project(path, entry)
        own = self._own(path, entry, adapter.entry) if adapter else None
        if adapter and project:
            self._reachable(path, adapter, project)
        if not isinstance(common, Entry) or adapter is None:
            return None
        promises = self._promises(path, common.promises, adapter, project)
        if promises is None or not isinstance(own, AdapterEntry):
            return None
        key = JobKey(adapter.service, common.name or own.default_name)
        if self._source == STATIC:
            self._once(path, key, entry)
        target = {field: str(value) for field, value in own.model_dump(exclude_none=True).items()}
        labels = Packed(dict(common.labels)) if common.labels else UNLABELLED
        return Job(key, project, Packed(target), common.interval, self._source, self._region(project), labels, promises)

    def _unfit(self, value: Node) -> str:
        """Say why a value names no job: all these fields become parts of an address."""
        try:
            types.path_part(value if isinstance(value, str) else "-")
        except ValueError as error:
            return str(error)
        return ""

    def _once(self, path: Path, key: JobKey, entry: MappingNode) -> None:
        first = self._first.setdefault(key, path)
        if first is path:
            return
        where = f"{place_of(self._root, first)}: {path_text(first)}"
        at = (*path, "name") if entry.get("name") is not None else path
        self._tell(at, f"the name {quoted(key.job)} is taken among the {key.service} jobs by {where}; give it another")
