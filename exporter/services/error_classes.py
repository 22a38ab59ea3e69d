"""The reason of a failed call: from the vendor's code, or from the HTTP status if there is no known code.

Codes of the gateway, which all services share, are here; those of a service are in its adapter. Sources: API request
signing guide, "Error Codes", for the gateway's codes, and the error responses of the services for the form of the
bodies.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from exporter.model.errors import PollError
from exporter.model.reason import Reason
from exporter.services.document import parsed
from exporter.services.error_codes import ErrorCodes
from exporter.services.json_fields import MOST_ROWS, Fields
from exporter.services.values import DOUBLED, clean, meaning, said

GATEWAY: Final[Mapping[str, Reason]] = {
    **dict.fromkeys(("0101", "0103", "0104", "0105", "0106", "0310", "0607"), Reason.CONFIG),
    **dict.fromkeys(("0201", "0601", "0605", "0606", "0610", "0613"), Reason.SERVER),
    **dict.fromkeys(("0301", "0303", "0305", "0307"), Reason.AUTH),
    **dict.fromkeys(("0302", "0304", "0306", "0401", "0402", "0404", "0801", "0802"), Reason.PERMISSION),
    "0308": Reason.THROTTLED,
}
STATUSES: Final[Mapping[int, Reason]] = {
    304: Reason.PAYLOAD,
    401: Reason.AUTH,
    403: Reason.PERMISSION,
    407: Reason.CONFIG,
    408: Reason.SERVER,
    429: Reason.THROTTLED,
}
_UNFIT: Final = "the call does not fit the cloud; check project_id, region and endpoints of the project"
SENTENCES: Final[Mapping[Reason, str]] = {
    Reason.THROTTLED: "the cloud throttles this user's calls; poll less often or lower projects.*.limits",
    Reason.AUTH: "the cloud refused the credentials; check the key, the token, the project's region and the clock",
    Reason.PERMISSION: "the credentials are not allowed to make this call; see the permissions in the documentation",
    Reason.NOT_FOUND: "the cloud knows no such job; check its id, cluster and project",
    Reason.CONFIG: f"{_UNFIT}, and the ids of the job or rule",
    Reason.API: "the cloud refused the call",
    Reason.SERVER: "the cloud failed to answer the call",
    Reason.PAYLOAD: "the answer reports no state",
}
_RESULTLESS: Final = "the call was answered without a result"
_FOREIGN: Final = "this is not the cloud's answer; check the proxy and projects.<name>.endpoints"
_UNSIGNED: Final = "the answer has no code of the cloud's, so a proxy may have given it"
SHAPES: Final = (
    ("error_code", "error_msg"),
    ("errorCode", "errorMsg"),
    ("code", "message"),
    ("errCode", "externalMessage"),
)
_GATEWAY_CODE: Final = re.compile(r"APIGW?\.([0-9]{4})")
_PRINTABLE_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,15}\.[A-Za-z0-9]{1,12}|[0-9]{3,6}")
_PRINTABLE_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_ERROR_LIMIT: Final = 65_536
"""Bytes of an error body that is read for its code; a longer one is a page or a file."""
_MOST_LEVELS: Final = 100
"""Objects of an error body that are looked at."""
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{8,}={0,2}\s*")
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.DOTALL | re.IGNORECASE)
_THROTTLE_WORDS: Final = re.compile(r"throttling threshold|over ratelimit|too many requests", re.IGNORECASE)
_Row = dict[str, Any] | None
_DEEPEST: Final = 4
"""Envelopes within envelopes are read this far down; the vendor nests one or two."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What an error body says of itself, whichever of the vendor's shapes it has."""

    codes: tuple[str, ...] = ()
    text: str = ""
    request_id: str = ""


def envelope(body: bytes) -> Envelope:
    """Read an error body: JSON of any of the vendor's shapes, JSON in base64, HTML, text or nothing."""
    if len(body) > _ERROR_LIMIT:
        return Envelope(text=_title(body))
    data = _json(body)
    if data is None and _BASE64.fullmatch(body):
        data = _json(_decoded(body))
    if isinstance(data, dict):
        return from_object(data)
    return Envelope(text=_title(body))


def _title(body: bytes) -> str:
    text = body[:4096].decode("utf-8", "replace")
    title = _TITLE.search(text)
    return title[1].strip() if title else text


def from_object(data: Mapping[str, Any]) -> Envelope:
    """Read the codes, the text and the request id out of a JSON object, nested ones included."""
    codes: list[str] = []
    texts: list[str] = []
    ids: list[str] = []
    for level in islice(_levels(data, _DEEPEST), _MOST_LEVELS):
        for code_key, text_key in SHAPES:
            code, text = level.get(code_key), level.get(text_key)
            if isinstance(code, str | int) and not isinstance(code, bool) and said(code):
                codes.append(clean(str(code)))
            elif code is DOUBLED:
                codes.append("")  # an error, whichever of both it is
            if isinstance(text, str) and clean(text):
                texts.append(clean(text))
        if isinstance(level.get("request_id"), str):
            ids.append(level["request_id"])
    return Envelope(tuple(codes), next(iter(texts), ""), next(iter(ids), ""))


def refusal(
    status: int,
    found: Envelope,
    codes: ErrorCodes,
    *,
    otherwise: Reason | None = None,
    request_id: str = "",
    retry_after: float | None = None,
) -> PollError:
    """Return the failure that an answer is.

    *codes* are the service's own. *otherwise* counts where neither code, text nor status says more.
    """
    reason, code = _by_code(found.codes, codes.reasons)
    if reason is None and _THROTTLE_WORDS.search(found.text):
        reason = Reason.THROTTLED
    coded = any(codes.include(each) for each in found.codes)
    sentence = _UNFIT if reason is Reason.CONFIG and of_gateway(code) else ""  # a gateway knows no job
    if reason is None:
        reason = otherwise or _by_status(status, coded=coded)
        sentence = "" if otherwise or code else _uncoded(reason)
    named = ", ".join(part for part in (f"HTTP {status}", code) if part)
    request_id = found.request_id or request_id
    return PollError(
        reason,
        f"{sentence or SENTENCES[reason]} ({named})",
        code=code,
        text=found.text,
        request_id=request_id if _PRINTABLE_ID.fullmatch(request_id) else "",
        retry_after=retry_after,
        known=coded,
    )


def of_gateway(code: str) -> bool:
    """Whether a code is one of the gateway, which stands before every service."""
    return _GATEWAY_CODE.fullmatch(code) is not None


def rows(fields: Fields, name: str, codes: ErrorCodes, total: float | None = None) -> list[_Row]:
    """Read the list *name* of a 200 answer; a row that is no object stays in its place as ``None``, and is noted.

    An empty list beside an error is that error, and what holds no list reports nothing: it must not pass for "there are
    none". Nor does null, unless the *total* beside it is 0.
    """
    data = fields.data
    found = Envelope() if data.get(name) else from_object(data)
    if found.codes:
        raise refusal(200, found, codes, otherwise=Reason.API)
    if name in data and data[name] is None and total == 0:
        return []
    if not isinstance(data.get(name), list):
        raise PollError(Reason.PAYLOAD, f"the answer holds no list {name}")
    read = fields.objects(name)
    if read is None:
        raise PollError(Reason.PAYLOAD, f"the list {name} of the answer has more than {MOST_ROWS} rows")
    return read


def page(fields: Fields, name: str, total: str, codes: ErrorCodes) -> tuple[list[_Row], int | None]:
    """Read one page of the list *name*, and the field *total*: how many rows all pages have together.

    A total that is less than the rows beside it says nothing, and is noted.
    """
    reported = fields.count(total)
    read = rows(fields, name, codes, reported)
    if reported is not None and reported < len(read):
        fields.unreadable(total)
        reported = None
    return read, reported


def _by_status(status: int, *, coded: bool) -> Reason:
    """Class an HTTP status that no known code explains; *coded* is whether the answer has a code of the cloud's.

    That something is not found is believed only of one who has: a proxy has pages of its own. That the credentials
    are refused is believed of anybody, because a key that is refused too often locks.
    """
    if status == 404:
        return Reason.NOT_FOUND if coded else Reason.API
    if status in STATUSES:
        return STATUSES[status]
    if status >= 500:
        return Reason.SERVER
    if 200 <= status < 300:
        return Reason.PAYLOAD
    return Reason.CONFIG if 300 <= status < 400 else Reason.API


def _uncoded(reason: Reason) -> str:
    """Return the sentence for an answer that has no code of the cloud's: nobody knows who gave it."""
    if reason is Reason.PAYLOAD:
        return _RESULTLESS
    if reason is Reason.API:
        return _FOREIGN
    return "" if reason is Reason.CONFIG else f"{SENTENCES[reason]}; {_UNSIGNED}"


def _by_code(found: tuple[str, ...], codes: Mapping[str, Reason]) -> tuple[Reason | None, str]:
    """Return the reason of the first code that is known, and the code to name: that one, else the first at all."""
    for code in found:
        gateway = _GATEWAY_CODE.fullmatch(code)
        reason = GATEWAY.get(gateway[1]) if gateway else meaning(code, codes)
        if reason is not None:
            return reason, code
    return None, next((code for code in found if _PRINTABLE_CODE.fullmatch(code)), "")


def _levels(data: Mapping[str, Any], deepest: int) -> Iterator[Mapping[str, Any]]:
    yield data
    if deepest:
        for value in data.values():
            if isinstance(value, dict):
                yield from _levels(value, deepest - 1)


def _json(body: bytes) -> object:
    try:
        return parsed(body)
    except ValueError:
        return None


def _decoded(body: bytes) -> bytes:
    try:
        return base64.urlsafe_b64decode(body.strip().replace(b"+", b"-").replace(b"/", b"_") + b"==")
    except binascii.Error:
        return b""
