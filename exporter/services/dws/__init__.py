"""Data Warehouse Service: tasks (start, stop, scale in, bind an address, ...), and what is under way on clusters.

Source for tasks: DWS API reference, "Querying the Task Progress" (ListJobDetails), table 2: eight fields, all of them
text, none marked mandatory. The words of ``status`` are the SDK's list; FAILED and ERROR are known from clients in use.
What returns no job id is in :mod:`exporter.services.dws.clusters`.
"""

from collections.abc import Mapping
from typing import Final

from exporter.model.errors import first_line
from exporter.model.job import Job
from exporter.model.packed import Packed
from exporter.model.reason import Reason
from exporter.model.run import RunId
from exporter.model.snapshot import Snapshot, State
from exporter.services import error_classes, json_fields
from exporter.services.adapter import Adapter
from exporter.services.codes_in_text import failure_code
from exporter.services.dws.clusters import DwsCluster
from exporter.services.dws.entries import DwsEntry
from exporter.services.dws.lists import DwsLister
from exporter.services.dws.operations import STEP_MEASURES
from exporter.services.dws.words import CODES, HOSTS, LIMITS, TASKS, errors_told
from exporter.services.request import Request, segments
from exporter.services.shapes import PLAIN, UUID
from exporter.services.values import hundredth

_CLUSTER: Final = DwsCluster()


class Dws(Adapter):
    """The adapter of the Data Warehouse Service, and of its tasks."""

    service = "dws"
    entry = DwsEntry
    hosts = HOSTS
    consoles = {"huaweicloud": "https://console.huaweicloud.com/dws/?region={region}"}
    limits = LIMITS
    states = TASKS
    names = {"job_id": "job_id"}
    run_part = "job_id"
    zoneless = True
    shapes = {"job_id": PLAIN, "cluster_id": UUID}
    codes = CODES
    lists = DwsLister()
    sources = {
        "run_info": "job_id; task_status of a cluster",
        "progress_ratio": "progress; action_progress or total_progress of a cluster",
        "start_timestamp_seconds": "begin_time (needs the project's time_zone); resize_info.start_time,"
        " start_time of a redistribution, started of a snapshot or begin_time of a step of a cluster",
        "end_timestamp_seconds": "end_time (needs the project's time_zone); end_time of a"
        " redistribution, finished of a snapshot or end_time of a step of a cluster",
        "failure_info": "failed_code; failed_reasons.error_code of a cluster",
    }
    run_labels = ("operation",)
    measures = STEP_MEASURES
    final = True

    @property
    def found(self) -> Adapter:
        """The adapter of clusters, because no list contains tasks."""
        return _CLUSTER

    def of(self, target: Mapping[str, str]) -> Adapter:
        """Return the adapter of a cluster, or of a task."""
        return _CLUSTER if "cluster_id" in target else self

    def request(self, job: Job, project_id: str) -> Request:
        """Ask for the progress of the task."""
        return Request("ListJobDetails", segments("v1.0", project_id, "job", job.target["job_id"]), self.limit)

    def snapshot(self, fields: json_fields.Fields, job: Job) -> Snapshot:
        """Read table 2; a code of an error is a failure whatever stands beside it."""
        found = errors_told(fields)
        word = fields.word("status")
        if found.codes or word is None:
            raise error_classes.refusal(200, found, self.codes, otherwise=Reason.API if found.codes else Reason.PAYLOAD)
        state, native = fields.state("status", word, self.states)
        percent = fields.amount("progress", full=100, suffix="%")
        begin, end = fields.moment("begin_time"), fields.moment("end_time")
        failed_code, failed_detail = fields.text("failed_code"), fields.text("failed_detail")
        detail = {
            "job_id": fields.id("job_id"),
            "job_name": fields.id("job_name"),
            "begin_time": fields.id("begin_time"),
            "end_time": fields.id("end_time"),
            "failed_code": first_line(failed_code or "") or None,
            "failed_detail": first_line(failed_detail or "") or None,
        }
        return Snapshot(
            state=state,
            native_state=native,
            run=RunId(job.target["job_id"], opaque=True),
            progress=1.0 if state is State.SUCCEEDED else percent and hundredth(percent),
            start=begin,
            end=end if state.ended else None,
            failure_code=failure_code(failed_code) if state is State.FAILED else None,
            detail=Packed({name: value for name, value in detail.items() if value is not None}),
            unknown=tuple(fields.unknown),
        )


ADAPTER = Dws()
