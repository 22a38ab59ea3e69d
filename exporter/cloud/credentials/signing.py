"""The vendor's request signature, SDK-HMAC-SHA256.

Source: "API Signing Guide" (devg-apisign) and the vendor's Python SDK, whose signatures these equal byte for byte. No
key is derived from the secret: the secret itself is the HMAC key.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from exporter.cloud.credentials import Call

_ALGORITHM: Final = "SDK-HMAC-SHA256"
_EMPTY_HASH: Final = hashlib.sha256(b"").hexdigest()

_LONG: Final = 16
"""Letters that the id of an access key has, or more; of a shorter one nothing is shown."""

# What neither unquoting nor quoting changes, which is nearly every path there is.
_CANONICAL = re.compile(r"[A-Za-z0-9_.~/-]*")


def canonical_query(pairs: Iterable[tuple[str, str]]) -> str:
    """Write a query in the form that is signed and sent: sorted, percent-encoded, a space as ``%20``."""
    return "&".join(f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in sorted(pairs))


def canonical_path(path: str) -> str:
    """Write a percent-encoded path in the form that is signed: encoded again, always with a slash at its end.

    The sent path has no such slash. An encoded slash inside a segment is signed as a plain one, as the SDK does.
    """
    if not _CANONICAL.fullmatch(path):
        path = quote(unquote(path), safe="~/")
    return path if path.endswith("/") else path + "/"


@lru_cache(maxsize=8)
def _date(second: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))


def key_name(key_id: str) -> str:
    """Return what logs and errors call an access key: how its id begins, and a digest that tells it from others."""
    begins = key_id[:4] if len(key_id) >= _LONG else ""
    return f"{begins}...#{hashlib.sha256(key_id.encode('utf-8', 'replace')).hexdigest()[:8]}"


class Signer:
    """Signs calls with one access key; *token* is the security token of a temporary one."""

    __slots__ = ("_mac", "_prefix", "_token", "name")

    def __init__(self, key_id: str, secret: str, token: str = "") -> None:
        self.name = key_name(key_id)
        self._mac = hmac.new(secret.encode(), digestmod="sha256")  # to be copied: the key is prepared once
        self._prefix = f"{_ALGORITHM} Access={key_id}, SignedHeaders="
        self._token = token

    def __repr__(self) -> str:
        return f"Signer({self.name!r})"

    def headers(self, call: Call) -> dict[str, str]:
        """Return ``X-Sdk-Date``, ``Authorization`` and, for a temporary key, ``X-Security-Token``.

        Signed are the host, these and all of ``call.headers`` except names with an underscore, which gateways
        drop on the way.
        """
        date = _date(int(call.now))
        signed = {"host": call.host, "x-sdk-date": date}
        added = {"X-Sdk-Date": date}
        if self._token:
            added["X-Security-Token"] = signed["x-security-token"] = self._token
        for name, value in call.headers.items():
            if "_" not in name:
                signed[name.lower()] = value.strip()
        ordered = sorted(signed.items())
        names = ";".join([name for name, _ in ordered])
        lines = "".join([f"{name}:{value}\n" for name, value in ordered])
        body = hashlib.sha256(call.body).hexdigest() if call.body else _EMPTY_HASH
        query = canonical_query(call.query) if call.query else ""
        canonical = f"{call.method.upper()}\n{canonical_path(call.path)}\n{query}\n{lines}\n{names}\n{body}"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        mac = self._mac.copy()
        mac.update(f"{_ALGORITHM}\n{date}\n{digest}".encode())
        added["Authorization"] = f"{self._prefix}{names}, Signature={mac.hexdigest()}"
        return added
