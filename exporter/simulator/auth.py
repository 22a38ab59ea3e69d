"""Who asks: access keys with their signatures and lock, tokens with their expiry, as the gateway checks them."""

import hmac
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from exporter.simulator import signing
from exporter.simulator.answers import Answer, Call, gateway_error

WINDOW: Final = 15 * 60.0
"""Seconds by which X-Sdk-Date may differ from the server's clock."""

PATIENCE: Final = 5
"""How many failures in a row an access key may have; one more locks it."""

LOCK: Final = 5 * 60.0
"""Seconds for which a locked access key is refused, correct signatures too."""

_DATE: Final = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A permanent key, or with *security_token* a temporary one, of *user*."""

    key_id: str
    secret: str
    user: str
    security_token: str | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """A token of *user*; *expires_at* is Unix seconds."""

    text: str
    user: str
    expires_at: float = math.inf


class Gate:
    """Knows the keys and tokens, and counts the failures of each key. Times are Unix seconds of the gateway."""

    def __init__(self) -> None:
        self.keys: dict[str, AccessKey] = {}
        self.tokens: dict[str, Token] = {}
        self._failures: dict[str, int] = {}
        self._locked_until: dict[str, float] = {}

    def check(self, call: Call, now: float) -> str | Answer:
        """Return the user who asks, or the refusal."""
        header = call.headers.get("authorization")
        if header is not None:
            return self._signed(call, header, now)
        text = call.headers.get("x-auth-token")
        if text is None:
            return _refusal("x-auth-token not found")
        token = self.tokens.get(text)
        if token is None:
            return _refusal("decrypt token fail")
        if now >= token.expires_at:
            return gateway_error(401, "APIGW.0307", "The token must be updated.")
        return token.user

    def locked(self, key_id: str, now: float) -> bool:
        """Return whether the key is locked at *now*."""
        return now < self._locked_until.get(key_id, -math.inf)

    def _signed(self, call: Call, header: str, now: float) -> str | Answer:
        claim = signing.parse(header)
        if claim is None:
            return _refusal("calc aksk signature fail:authorization header has a wrong format")
        key = self.keys.get(claim.key_id)
        if key is None:
            return _refusal("Get secretKey failed,ak:***,err:ak not exist")
        if self.locked(key.key_id, now):
            return _refusal("AK access failed to reach the limit,forbidden.")
        fault = _fault(call, claim, key, now)
        if fault is None:
            self._failures.pop(key.key_id, None)
            return key.user
        self._fail(key.key_id, now)
        return _refusal(fault)

    def _fail(self, key_id: str, now: float) -> None:
        failures = self._failures.get(key_id, 0) + 1
        self._failures[key_id] = failures
        if failures > PATIENCE:
            self._locked_until[key_id] = now + LOCK
            del self._failures[key_id]


def _fault(call: Call, claim: signing.Authorization, key: AccessKey, now: float) -> str | None:
    """Return what is wrong with a signed request, None if it is right."""
    date = call.headers.get("x-sdk-date", "")
    if not {"host", "x-sdk-date"} <= set(claim.signed):
        return "calc aksk signature fail:host and x-sdk-date must be signed"
    try:
        signed_at = datetime.strptime(date, _DATE).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return f"calc aksk signature fail:signature time {date!r} has a wrong format"
    if abs(now - signed_at) > WINDOW:
        server = datetime.fromtimestamp(now, UTC).strftime(_DATE)
        return f"calc aksk signature fail:signature expired, signature time:{date},server time:{server}"
    if key.security_token is not None and call.headers.get("x-security-token") != key.security_token:
        return "verify aksk signature fail,security token does not match the access key"
    canonical = signing.canonical_request(call, claim.signed)
    if not hmac.compare_digest(signing.signature(key.secret, date, canonical), claim.signature):
        return "verify aksk signature fail, canonicalRequest:" + canonical.replace("\n", "|")
    return None


def _refusal(reason: str) -> Answer:
    return gateway_error(401, "APIGW.0301", f"Incorrect IAM authentication information: {reason}")
