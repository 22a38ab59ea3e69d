"""Data Lake Insight: what its services have in common, which are SQL jobs, Spark batches and Flink jobs.

They have one host, one set of error codes, and one way to refuse a call in a 200 answer.
"""

from typing import Final

from exporter.model.errors import PollError
from exporter.model.reason import Reason
from exporter.services import error_classes, json_fields
from exporter.services.adapter import Hosts
from exporter.services.codes_in_text import codes_in
from exporter.services.error_codes import ErrorCodes

# fmt: off
_REGIONS: Final = frozenset((
    "ae-ad-1", "af-north-1", "af-south-1", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4",
    "cn-east-2", "cn-east-3", "cn-east-4", "cn-east-5", "cn-north-1", "cn-north-2", "cn-north-4", "cn-north-9",
    "cn-south-1", "cn-southwest-2", "eu-west-0", "eu-west-101", "la-north-2", "la-south-2", "me-east-1",
    "my-kualalumpur-1", "na-mexico-1", "ru-moscow-1", "ru-northwest-2", "sa-brazil-1", "tr-west-1",
))
"""Where the vendor lists the service: the regions of its SDK."""
# fmt: on
DATA_LAKE_HOSTS: Final = Hosts(
    {
        "huaweicloud": "https://dli.{region}.myhuaweicloud.com",
        "otc": "https://dli.{region}.otc.t-systems.com",
    },
    {"eu-west-101": "https://dli.eu-west-101.myhuaweicloud.eu"},
    {"huaweicloud": _REGIONS, "otc": frozenset({"eu-de"})},
)
DATA_LAKE_CONSOLES: Final = {"huaweicloud": "https://console.huaweicloud.com/dli/?region={region}"}
DATA_LAKE_CODES: Final = ErrorCodes(
    ("DLI",),
    {
        **dict.fromkeys(("DLI.0002", "DLI.0023", "DLI.0100", "DLI.12004", "DLI.16001"), Reason.NOT_FOUND),
        **dict.fromkeys(("DLI.0013", "DLI.0014", "DLI.0015", "DLI.0016"), Reason.AUTH),
        **dict.fromkeys(("DLI.0012", "DLI.0019", "DLI.0999"), Reason.SERVER),
        "DLI.0001": Reason.API,
        "DLI.0003": Reason.PERMISSION,
    },
    meanings={
        "DLI.0001": "parameter check failed",
        "DLI.0002": "the object does not exist",
        "DLI.0012": "resource unavailable",
        "DLI.0013": "user authentication failed",
        "DLI.0014": "service authentication failed",
        "DLI.0023": "no related resource",
        "DLI.0100": "the result has expired",
        "DLI.0999": "the queue backend version is too old or the queue is busy",
        "DLI.16001": "the Flink job does not exist",
    },
    token=frozenset({"DLI.0015"}),
)

_ERROR_FIELDS: Final = ("error_code", "error_msg", "errorCode", "errorMsg", "errCode", "externalMessage", "request_id")


def is_refusal(fields: json_fields.Fields) -> bool:
    """Whether a 200 answer says that the call failed, whatever else stands in it."""
    return fields.flag("is_success") is False or bool(error_classes.from_object(fields.only(_ERROR_FIELDS)).codes)


def refusal_in_body(fields: json_fields.Fields) -> PollError:
    """Return the failure that an answer without what it should tell is: 200 does not mean that the call worked."""
    found = error_classes.from_object(fields.data)
    if fields.flag("is_success") is False:
        inner = error_classes.envelope(found.text.encode())
        codes = (*found.codes, *inner.codes, *codes_in(found.text))
        found = error_classes.Envelope(codes, found.text, found.request_id)
        return error_classes.refusal(200, found, DATA_LAKE_CODES, otherwise=Reason.API)
    otherwise = Reason.API if found.codes else Reason.PAYLOAD
    return error_classes.refusal(200, found, DATA_LAKE_CODES, otherwise=otherwise)
