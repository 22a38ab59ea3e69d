"""Failed responses of IAM, the metadata service and the pod's agent as errors."""

from collections.abc import Mapping
from typing import Final

from exporter.cloud.response import Response, retry_after
from exporter.model.errors import PollError
from exporter.model.reason import Reason
from exporter.services import error_classes
from exporter.services.error_codes import ErrorCodes

_OTHERWISE: Final = Reason.API
"""The reason whose sentence counts for those that have none of their own."""


def identity_refusal(
    answer: Response, sentences: Mapping[Reason, str], now: float, *, proves: bool = False
) -> PollError:
    """Return the failure that *answer* is, with the sentence of its reason; *now* is Unix seconds.

    *proves* is whether the call proved an identity, so that a refusal counts.

    That something is not found is no word about a job here, but about the configuration.
    """
    error = error_classes.refusal(
        answer.status,
        error_classes.envelope(answer.body),
        ErrorCodes(),
        request_id=answer.headers.get("x-request-id", ""),
        retry_after=retry_after(answer.headers, now),
    )
    reason = Reason.CONFIG if answer.status == 404 and error.reason is Reason.API else error.reason
    reason = Reason.CONFIG if reason is Reason.NOT_FOUND else reason
    if reason is Reason.THROTTLED and reason not in sentences:
        reason = Reason.SERVER  # it has no limit that could pause
    named = ", ".join(part for part in (f"HTTP {answer.status}", error.code) if part)
    failure = PollError(
        reason,
        f"{sentences.get(reason, sentences[_OTHERWISE])} ({named})",
        code=error.code,
        text=error.text,
        request_id=error.request_id,
        retry_after=error.retry_after,
        refused=proves and reason is Reason.AUTH,
    )
    failure.asked = False
    return failure
