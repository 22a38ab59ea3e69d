"""DLI's words and codes, and the failure that a 200 answer can be."""

from collections.abc import Mapping
from typing import Any, Final

from exporter.core import classify, read
from exporter.core.errors import PollError
from exporter.core.model import Reason, State

STATES: Final[Mapping[str, State]] = {
    "LAUNCHING": State.PENDING,
    "RUNNING": State.RUNNING,
    "SCALING": State.RUNNING,
    "FINISHED": State.SUCCEEDED,
    "FINISH": State.SUCCEEDED,
    "FAILED": State.FAILED,
    "CANCELLED": State.CANCELLED,
}
CODES: Final[Mapping[str, Reason]] = {
    **dict.fromkeys(("DLI.0002", "DLI.0023", "DLI.0100", "DLI.12004", "DLI.16001"), Reason.NOT_FOUND),
    **dict.fromkeys(("DLI.0013", "DLI.0014", "DLI.0015", "DLI.0016"), Reason.AUTH),
    **dict.fromkeys(("DLI.0012", "DLI.0019", "DLI.0999"), Reason.SERVER),
    "DLI.0001": Reason.API,
    "DLI.0003": Reason.PERMISSION,
}


def refusal(data: Mapping[str, Any], fields: read.Fields) -> PollError:
    """Return the failure that an answer without what it should tell is: 200 does not mean that the call worked."""
    found = classify.from_object(data)
    if fields.flag("is_success") is False:
        inner = classify.envelope(found.text.encode())
        codes = (*found.codes, *inner.codes, *classify.codes_in(found.text))
        found = classify.Envelope(codes, found.text, found.request_id)
        return classify.refusal(200, found, CODES, otherwise=Reason.API)
    otherwise = Reason.API if found.codes else Reason.PAYLOAD
    return classify.refusal(200, found, CODES, otherwise=otherwise)
