"""The words and codes of DataArts Factory.

They include words of ``status`` that only the SDK or the console has (``freeze``, ``skip-by-depend``, ``forceSuccess``,
...). ``pause`` is pending. ``running-exception`` is failed and ``freeze`` cancelled, but neither is an end: the
instance may be resumed.
"""

from collections.abc import Mapping
from typing import Final

from exporter.model.reason import Reason
from exporter.model.snapshot import State
from exporter.services.error_codes import ErrorCodes

# fmt: off
REGIONS: Final = frozenset((
    "ae-ad-1", "af-south-1", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "cn-east-2",
    "cn-east-3", "cn-east-4", "cn-north-1", "cn-north-11", "cn-north-2", "cn-north-4", "cn-north-9", "cn-south-1",
    "cn-southwest-2", "eu-west-101", "la-north-2", "la-south-2", "me-east-1", "my-kualalumpur-1", "na-mexico-1",
    "ru-moscow-1", "ru-northwest-2", "sa-brazil-1", "tr-west-1",
))
"""Where the vendor lists the service: the regions of its SDK."""
# fmt: on
STATES: Final[Mapping[str, State]] = {
    "WAITING": State.PENDING,
    "WAITING-CONFIRM": State.PENDING,
    "PAUSE": State.PENDING,
    "RUNNING": State.RUNNING,
    "SUCCESS": State.SUCCEEDED,
    "FORCESUCCESS": State.SUCCEEDED,
    "IGNORESUCCESS": State.SUCCEEDED,
    "FAIL": State.FAILED,
    "RUNNING-EXCEPTION": State.FAILED,
    "MANUAL-STOP": State.CANCELLED,
    "SKIP-BY-DEPEND": State.CANCELLED,
    "FREEZE": State.CANCELLED,
}
RESUMABLE: Final = frozenset({"RUNNING-EXCEPTION", "FREEZE"})
"""The words of an instance that may go on, whatever its state."""
CODES: Final = ErrorCodes(
    ("DLF",),
    {
        **dict.fromkeys(("DLF.0100", "DLF.0137", "DLF.30137"), Reason.NOT_FOUND),
        **dict.fromkeys(("DLF.0819", "DLF.20819", "DLF.0136"), Reason.CONFIG),
        "DLF.3051": Reason.API,
        "DLF.6888": Reason.PERMISSION,
    },
    meanings={
        "DLF.0100": "the job does not exist",
        "DLF.0136": "only a batch job has instances",
        "DLF.0137": "the job instance does not exist",
        "DLF.0819": "the workspace does not exist",
        "DLF.20819": "the workspace does not exist",
        "DLF.30137": "the job instance does not exist",
        "DLF.3051": "invalid request parameter",
        "DLF.6888": "no permission",
    },
)
