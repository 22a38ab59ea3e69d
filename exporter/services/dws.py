"""Data Warehouse Service: tasks of a cluster (start, stop, scale in, bind an address, ...).

Source: DWS API reference, "Querying the Task Progress" (ListJobDetails), table 2: eight fields, all of them text, none
marked mandatory. The words of ``status`` are the SDK's list; FAILED and ERROR are known from clients in use.
"""

from typing import Final

from exporter.model.errors import first_line
from exporter.model.job import Job
from exporter.model.packed import Packed
from exporter.model.reason import Reason
from exporter.model.run import RunId
from exporter.model.snapshot import Snapshot, State
from exporter.services import error_classes, json_fields
from exporter.services.adapter import Adapter, Hosts, JobEntry
from exporter.services.codes_in_text import failure_code
from exporter.services.error_codes import ErrorCodes
from exporter.services.request import Request, segments
from exporter.services.shapes import PLAIN
from exporter.services.values import hundredth

# fmt: off
_REGIONS: Final = frozenset((
    "ae-ad-1", "af-north-1", "af-south-1", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4",
    "ap-southeast-5", "cn-east-2", "cn-east-3", "cn-east-4", "cn-east-5", "cn-north-1", "cn-north-11",
    "cn-north-12", "cn-north-2", "cn-north-4", "cn-north-9", "cn-south-1", "cn-south-4", "cn-southwest-2",
    "cn-southwest-3", "eu-west-101", "la-north-2", "la-south-2", "me-east-1", "my-kualalumpur-1", "na-mexico-1",
    "ru-moscow-1", "sa-brazil-1", "tr-west-1",
))
"""Where the vendor lists the service: the regions of its SDK."""
# fmt: on
FINE: Final = "DWS.0000"
"""The ``error_code`` that other calls of this service send with success."""
_ERROR_FIELDS: Final = ("error_code", "error_msg", "errorCode", "errorMsg", "errCode", "externalMessage", "request_id")


class DwsEntry(JobEntry):
    """A DWS task of the configuration."""

    job_id: str

    @property
    def default_name(self) -> str:
        """The task's id; its ``job_name`` is a kind of task, not a name."""
        return self.job_id


class Dws(Adapter):
    """The adapter of the Data Warehouse Service."""

    service = "dws"
    entry = DwsEntry
    hosts = Hosts(
        {
            "huaweicloud": "https://dws.{region}.myhuaweicloud.com",
            "otc": "https://dws.{region}.otc.t-systems.com",
        },
        {
            "eu-west-101": "https://dws.eu-west-101.myhuaweicloud.eu",
            **{
                region: f"https://dws.{region}.myhuaweicloud.cn"
                for region in ("ap-southeast-4", "cn-east-4", "cn-north-12", "cn-south-4", "tr-west-1")
            },
        },
        {"huaweicloud": _REGIONS, "otc": frozenset({"eu-de"})},
    )
    consoles = {"huaweicloud": "https://console.huaweicloud.com/dws/?region={region}"}
    limits = {"dws": 5.0}
    states = {
        "INIT": State.PENDING,
        "WAITING": State.PENDING,
        "DELAY_SCHEDULED": State.PENDING,
        "RUNNING": State.RUNNING,
        "SUCCESS": State.SUCCEEDED,
        "FAIL": State.FAILED,
        "FAILED": State.FAILED,
        "ERROR": State.FAILED,
        "STOP": State.CANCELLED,
    }
    names = {"job_id": "job_id"}
    run_part = "job_id"
    zoneless = True
    shapes = {"job_id": PLAIN}
    codes = ErrorCodes(
        ("DWS",),
        {
            **dict.fromkeys(
                ("DWS.0001", "DWS.0015", "DWS.0047", "DWS.3027", "DWS.5149", "DWS.10101"), Reason.NOT_FOUND
            ),
            "DWS.0005": Reason.SERVER,
            "DWS.5045": Reason.PERMISSION,
            "DWS.5064": Reason.CONFIG,
            "DWS.9999": Reason.SERVER,
        },
        meanings={
            "DWS.0114": "ELB private IP is not configured",
            "DWS.5045": "the current tenant is not allowed to perform this operation",
            "DWS.5064": "invalid UUID",
        },
    )
    sources = {
        "run_info": "job_id",
        "progress_ratio": "progress",
        "start_timestamp_seconds": "begin_time (needs the project's time_zone)",
        "end_timestamp_seconds": "end_time (needs the project's time_zone)",
        "failure_info": "failed_code",
    }
    final = True

    def request(self, job: Job, project_id: str) -> Request:
        """Ask for the progress of the task."""
        return Request("ListJobDetails", segments("v1.0", project_id, "job", job.target["job_id"]), self.limit)

    def snapshot(self, fields: json_fields.Fields, job: Job) -> Snapshot:
        """Read table 2; a code of an error is a failure whatever stands beside it."""
        found = _errors(fields)
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


def _errors(fields: json_fields.Fields) -> error_classes.Envelope:
    """Return the error that stands in a 200 answer; the code of success is none."""
    found = error_classes.from_object(fields.only(_ERROR_FIELDS))
    codes = tuple(code for code in found.codes if code.upper() != FINE)
    return error_classes.Envelope(codes, found.text, found.request_id)


ADAPTER = Dws()
