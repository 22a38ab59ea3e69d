"""The SDK-HMAC-SHA256 signature, recomputed from a request as the gateway received it.

Source: API Gateway developer guide, "API signing", and the facts the vendor's own signer shows.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from exporter.simulator.answers import Call

_FORM: Final = re.compile(
    r"SDK-HMAC-SHA256 +Access=(?P<key>[^,\s]+), *SignedHeaders=(?P<signed>[^,\s]+), *Signature=(?P<hex>[0-9a-f]{64})"
)
_CONTENT_HASH: Final = "x-sdk-content-sha256"
_UNSIGNED: Final = "UNSIGNED-PAYLOAD"


@dataclass(frozen=True, slots=True)
class Authorization:
    """The parts of an Authorization header."""

    key_id: str
    signed: tuple[str, ...]
    signature: str


def parse(header: str) -> Authorization | None:
    """Read an Authorization header; None when it has another form."""
    found = _FORM.fullmatch(header.strip())
    if found is None:
        return None
    return Authorization(found["key"], tuple(found["signed"].split(";")), found["hex"])


def canonical_request(call: Call, signed: tuple[str, ...]) -> str:
    """Return the text whose hash is signed: method, path, query, headers, their names, hash of the body."""
    headers = "".join(f"{name}:{call.headers.get(name, '').strip()}\n" for name in signed)
    return "\n".join(
        (call.method.upper(), _path(call.path), _query(call.query), headers, ";".join(signed), _hash(call))
    )


def signature(secret: str, date: str, canonical: str) -> str:
    """Return the signature in hexadecimal; *date* is the X-Sdk-Date header as it came."""
    digest = hashlib.sha256(canonical.encode(errors="surrogateescape")).hexdigest()
    text = f"SDK-HMAC-SHA256\n{date}\n{digest}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def _path(raw: str) -> str:
    # an encoded slash is decoded too: the vendor's signer does so, though it sends it encoded
    path = "/".join(quote(part, safe="~") for part in unquote(raw).split("/"))
    return path if path.endswith("/") else path + "/"


def _query(raw: str) -> str:
    pairs = (part.partition("=") for part in raw.split("&") if part)
    decoded = sorted((unquote(key), unquote(value)) for key, _, value in pairs)
    return "&".join(f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in decoded)


def _hash(call: Call) -> str:
    if call.body and call.headers.get(_CONTENT_HASH) == _UNSIGNED:
        return _UNSIGNED
    return hashlib.sha256(call.body).hexdigest()
