"""CDM's words and codes.

Words that the table of ``status`` does not have come from the job list (NEW), from the console (STOPPED) and from
example answers (PENDING).
"""

from collections.abc import Mapping
from typing import Final

from exporter.model.reason import Reason
from exporter.model.snapshot import State
from exporter.services.error_codes import ErrorCodes

NOT_APPLICABLE: Final = -1
"""CDM's mark for "has none": the progress of a failed run, the files of a database job."""
# fmt: off
REGIONS: Final = frozenset((
    "ae-ad-1", "af-south-1", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "cn-east-2",
    "cn-east-3", "cn-north-1", "cn-north-2", "cn-north-4", "cn-north-9", "cn-south-1", "cn-south-2",
    "cn-southwest-2", "la-north-2", "la-south-2", "na-mexico-1", "sa-brazil-1", "tr-west-1",
))
"""Where the vendor lists the service: the regions of its SDK."""
# fmt: on
STATES: Final[Mapping[str, State]] = {
    "BOOTING": State.PENDING,
    "PENDING": State.PENDING,
    "NEW": State.PENDING,
    "NEVER_EXECUTED": State.PENDING,
    "RUNNING": State.RUNNING,
    "SUCCEEDED": State.SUCCEEDED,
    "FAILED": State.FAILED,
    "FAILURE_ON_SUBMIT": State.FAILED,
    "STOPPED": State.CANCELLED,
    "UNKNOWN": State.UNKNOWN,
}
CODES: Final = ErrorCodes(
    ("Cdm", "CDM"),
    {
        **dict.fromkeys(("CDM.0001", "CDM.0054", "CDM.0095", "CDM.0100", "CDM.0319"), Reason.NOT_FOUND),
        **dict.fromkeys(("CDM.0000", "CDM.0036", "CDM.0202"), Reason.SERVER),
        "CDM.0032": Reason.PERMISSION,
    },
    {
        **dict.fromkeys(("CDM.0054", "CDM.0095", "CDM.0100", "CDM.0319"), "the job does not exist"),
        "CDM.0000": "system error",
        "CDM.0001": "the resource does not exist, or there is no access to it",
        "CDM.0032": "no IAM permission",
        "CDM.0052": "the job is running",
        "CDM.0053": "the job is not running",
        "CDM.0202": "unknown status",
    },
)
CLUSTERS: Final[Mapping[str, str]] = {
    "100": "creating",
    "300": "failed",
    "303": "not created",
    "500": "restarting",
    "800": "frozen",
    "900": "off",
    "910": "stopping",
    "920": "starting",
}
"""What the digits of a cluster's status mean."""
OFF: Final = frozenset({"800", "900", "910", "920"})
"""Those in which a cluster does not answer for its jobs because somebody wants it so."""
