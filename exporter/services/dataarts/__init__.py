"""DataArts Factory: jobs that a schedule starts and that start jobs of other services; each instance is a run.

Source: DataArts Studio API reference, "Querying Job Instances" (ListJobInstances); the list of jobs has its own module.
A poll asks for the runs of one job that were planned within seven days, the most that the call gives. It answers alike
for a job that had none in that time and for one that does not exist: which of both it is the list of jobs says.
"""

from datetime import tzinfo
from typing import Final

from pydantic import Field

from exporter.model.errors import PollError
from exporter.model.job import Job
from exporter.model.reason import Reason
from exporter.model.snapshot import Snapshot, State
from exporter.services import json_fields
from exporter.services.adapter import JOB_NAME, Adapter, Hosts, JobEntry, RunReader
from exporter.services.dataarts.instances import MOST, RUN_MEASURES, instance_rows, newest_of
from exporter.services.dataarts.lists import DataArtsLister, JobRow, workspace_header
from exporter.services.dataarts.nodes import NODE_MEASURES, NODE_WORK, with_nodes
from exporter.services.dataarts.words import CODES, REGIONS, STATES
from exporter.services.document import json_object
from exporter.services.request import Request, segments

_WINDOW: Final = 7 * 86400.0 - 60
_LIMIT: Final = "dataarts"
_NAMES: Final = {"jobName": "job_name"}


class DataArtsEntry(JobEntry):
    """A job of DataArts Factory in the configuration."""

    workspace_id: str | None = Field(
        default=None, description="The id of the workspace; without it the workspace called default."
    )
    job_name: str = Field(description=JOB_NAME)

    @property
    def default_name(self) -> str:
        """The job's own name."""
        return self.job_name


class _InstanceReader(RunReader):
    """Reads one instance with its nodes."""

    def request(self, job: Job, run: Snapshot, project_id: str) -> Request | None:
        """Return the call for the instance."""
        if not run.run.id:
            return None
        path = segments("v1", project_id, "jobs", job.target["job_name"], "instances", run.run.id)
        headers = workspace_header(job.target.get("workspace_id", ""))
        return Request("ShowJobInstance", path, _LIMIT, headers=headers)

    def parse(self, body: bytes, job: Job, run: Snapshot, zone: tzinfo | None) -> Snapshot:
        """Read the instance and the states of its nodes."""
        fields = json_fields.Fields(json_object(body))
        fields.check_job(_NAMES, job.target)
        fields.check_job({"instanceId": "run"}, {"run": run.run.id})
        return with_nodes(fields)


class DataArts(Adapter):
    """The adapter of DataArts Factory."""

    service = "dataarts"
    entry = DataArtsEntry
    hosts = Hosts(
        {
            "huaweicloud": "https://dayu-dlf.{region}.myhuaweicloud.com",
            "otc": "https://dayu-dlf.{region}.otc.t-systems.com",
        },
        {
            "cn-east-4": "https://dayu.cn-east-4.myhuaweicloud.com",
            "eu-west-101": "https://dayu-dlf.eu-west-101.myhuaweicloud.eu",
        },
        {"huaweicloud": REGIONS, "otc": frozenset({"eu-de"})},
    )
    limits = {_LIMIT: 2.0}
    states = STATES
    unstarted = frozenset({"PAUSE"})
    codes = CODES
    lists = DataArtsLister()
    run_reader = _InstanceReader()
    job_reader = JobRow()
    sources = {
        "run_info": "instanceId",
        "start_timestamp_seconds": "startTime",
        "end_timestamp_seconds": "endTime",
        "pending_since_timestamp_seconds": "planTime of an instance that waits",
        "failure_info": "errorMessage",
    }
    measures = (*RUN_MEASURES, *NODE_MEASURES)
    work = NODE_WORK
    final = False

    def request(self, job: Job, project_id: str) -> Request:
        """Ask for the instances of the job."""
        path = segments("v1", project_id, "jobs", "instances", "detail")
        query = (("jobName", job.target["job_name"]), ("preciseQuery", "true"), ("limit", str(MOST)))
        times = (("minPlanTime", _WINDOW), ("maxPlanTime", 0.0))
        headers = workspace_header(job.target.get("workspace_id", ""))
        return Request("ListJobInstances", path, self.limit, query, times=times, headers=headers)

    def snapshot(self, fields: json_fields.Fields, job: Job) -> Snapshot:
        """Read the newest instance; a cloud that ignores ``preciseQuery`` also returns jobs with similar names."""
        rows = instance_rows(fields)
        reported = [fields.row(row) for row in rows if row is not None]
        own = [row for row in reported if row.of_job(_NAMES, job.target)]
        if rows and not reported:
            raise PollError(Reason.PAYLOAD, "the field instances of the answer is not a list of runs")
        if reported and not own:
            reported[0].check_job(_NAMES, job.target)
        return newest_of(own) or Snapshot(State.UNKNOWN, idle=True, unknown=tuple(fields.unknown))


ADAPTER = DataArts()
