"""DWS's words and codes: where it is, what its tasks and clusters say, and what its errors mean."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from exporter.model.reason import Reason
from exporter.model.snapshot import State
from exporter.services import error_classes, json_fields
from exporter.services.adapter import Hosts
from exporter.services.error_codes import ErrorCodes

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
HOSTS: Final = Hosts(
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
LIMITS: Final[Mapping[str, float]] = {"dws": 5.0}
CODES: Final = ErrorCodes(
    ("DWS",),
    {
        **dict.fromkeys(("DWS.0001", "DWS.0015", "DWS.0047", "DWS.3027", "DWS.5149", "DWS.10101"), Reason.NOT_FOUND),
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
_FINE: Final = "DWS.0000"
"""The ``error_code`` that other calls of this service send with success."""
_ERROR_FIELDS: Final = ("error_code", "error_msg", "errorCode", "errorMsg", "errCode", "externalMessage", "request_id")
TASKS: Final[Mapping[str, State]] = {
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
"""The words of a task's ``status``."""


class Operation(NamedTuple):
    """What a word of a cluster says of an operation."""

    kind: str
    """The vendor's word for the operation while it is under way."""
    state: State


_FAILURES: Final[Mapping[str, str]] = {
    "GROWING": "RESIZE_FAILURE",
    "REBOOTING": "REBOOT_FAILURE",
    "REDISTRIBUTING": "REDISTRIBUTE_FAILURE",
    "CLUSTER_SHRINKING": "CLUSTER_SHRINK_FAILED",
    "SHRINK_CHECKING": "SHRINK_CHECK_FAILED",
    "FLAVOR_RESIZING": "FLAVOR_RESIZING_FAILED",
    "ELB_SWITCHING": "ELB_SWITCHING_FAILED",
    "DISK_EXPANDING": "DISK_EXPAND_FAILED",
    "CREATING_NODE": "CREATE_NODE_FAILED",
    "DELETING_NODE": "DELETE_NODE_FAILED",
    "ELB_BINDING": "ELB_BIND_FAILED",
    "ELB_UNBINDING": "ELB_UNBIND_FAILED",
    "NETWORK_CONFIGURING": "NETWORK_CONFIG_FAILED",
    "MANAGE_IP_BINDING": "MANAGE_IP_BIND_FAILED",
    "ACTIVE_STANDY_SWITCHOVER": "ACTIVE_STANDY_SWITCHOVER_FAILURE",
}
"""The operations that have a word for their failure, and that word."""
_SILENT: Final = (
    *("SNAPSHOTTING", "RESTORING", "FINE_GRAINED_RESTORING", "DR_RECOVERING", "ADD_CN_ING", "DEL_CN_ING"),
    *("SETTING_CONFIGURATION", "CONFIGURING_EXT_DATASOURCE", "DELETING_EXT_DATASOURCE", "FREEZING", "UNFREEZING"),
    *("STARTING", "STOPPING"),
)
"""The operations for which the API has no word for their result."""
OPERATIONS: Final[Mapping[str, Operation]] = {
    **{word: Operation(word, State.RUNNING) for word in (*_FAILURES, *_SILENT)},
    **{word: Operation(kind, State.FAILED) for kind, word in _FAILURES.items()},
    "WAITING_REDISTRIBUTION": Operation("REDISTRIBUTING", State.PENDING),
    "REDISTRIBUTION_PAUSED": Operation("REDISTRIBUTING", State.PENDING),
    "ORDER_PENDING": Operation("ORDER_PENDING", State.PENDING),
}
"""The words of ``task_status``: the current task of a cluster, or how the last one failed. None of them is success."""
CLUSTER_OPERATIONS: Final[Mapping[str, Operation]] = {
    "CREATING": Operation("CREATING", State.RUNNING),
    "CREATE_FAILED": Operation("CREATING", State.FAILED),
    "CREATION FAILED": Operation("CREATING", State.FAILED),
    "DELETING": Operation("DELETING", State.RUNNING),
    "DELETE_FAILED": Operation("DELETING", State.FAILED),
}
"""The words of a cluster's ``status`` that name an operation too."""
SUB_OPERATIONS: Final[Mapping[str, Operation]] = {
    "REDISTRIBUTING": Operation("REDISTRIBUTING", State.RUNNING),
    "REDISTRIBUTION-FAILURE": Operation("REDISTRIBUTING", State.FAILED),
}
"""The same of its ``sub_status``, of which there may be several."""
SUB_WORDS: Final = frozenset({"NORMAL", "READONLY", "UNBALANCED", "DEGRADED", *SUB_OPERATIONS})
"""All words of ``sub_status``."""
CLUSTERS: Final[Mapping[str, str]] = {
    "AVAILABLE": "available",
    "ACTIVE": "available",
    "UNAVAILABLE": "unavailable",
    "FAILED": "failed",
    "CREATING": "creating",
    "CREATE_FAILED": "not created",
    "CREATION FAILED": "not created",
    "DELETING": "deleting",
    "DELETE_FAILED": "not deleted",
    "FROZEN": "frozen",
    "POLICE_FROZEN": "frozen",
}
"""What the words of a cluster's ``status`` mean. ACTIVE is what newer calls say instead of AVAILABLE."""
REDISTRIBUTIONS: Final[Mapping[str, State]] = {
    "PREPARE": State.RUNNING,
    "RUNNING": State.RUNNING,
    "WAITING": State.PENDING,
    "PAUSING": State.PENDING,
    "PAUSE": State.PENDING,
    "SUCCESS": State.SUCCEEDED,
    "FAIL": State.FAILED,
}
"""The words of ``redis_info.status``."""
SNAPSHOTS: Final[Mapping[str, State]] = {
    "CREATING": State.RUNNING,
    "AVAILABLE": State.SUCCEEDED,
    "UNAVAILABLE": State.FAILED,
    **dict.fromkeys(("RESTORING", "FROZEN", "POLICE_FROZEN"), State.UNKNOWN),
}
"""The words of a snapshot. One that a user stopped is UNAVAILABLE too."""
ACTIONS: Final = frozenset({"GROWING", "RESIZE_FAILURE", "RESTORING", "FINE_GRAINED_RESTORING"})
"""The words of ``task_status`` under which ListClusterActions has details; snapshots have a call of their own."""
ACTION_STATES: Final[Mapping[str, State]] = {
    "WAITING": State.PENDING,
    "RUNNING": State.RUNNING,
    "ROLLBACK_RUNNING": State.RUNNING,
    "SUCCESS": State.SUCCEEDED,
    **dict.fromkeys(("FAILED", "ROLLBACK_SUCCESS", "ROLLBACK_FAIL"), State.FAILED),
}
"""The words of such a task; one that was rolled back has failed."""
STEPS: Final[Mapping[str, str]] = {
    "WAITING": "waiting",
    "RUNNING": "active",
    "ROLLBACK_RUNNING": "active",
    "SUCCESS": "completed",
    **dict.fromkeys(("FAILED", "ROLLBACK_SUCCESS", "ROLLBACK_FAIL"), "failed"),
}
"""The same words of a step."""
AVAILABLE: Final = frozenset({"AVAILABLE", "ACTIVE"})
FROZEN: Final = frozenset({"FROZEN", "POLICE_FROZEN"})
SWITCHED: Final[Mapping[str, str]] = {"STARTING": "starting", "STOPPING": "stopping"}
"""The operations that switch a cluster on and off."""


def errors_told(fields: json_fields.Fields) -> error_classes.Envelope:
    """Return the error that stands in a 200 answer; the code of success is none."""
    found = error_classes.from_object(fields.only(_ERROR_FIELDS))
    codes = tuple(code for code in found.codes if code.upper() != _FINE)
    return error_classes.Envelope(codes, found.text, found.request_id)
