"""Who asks: access keys with their signatures and lock, tokens with their expiry, as the gateway checks them."""

import hmac
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from exporter.simulator import signing
from exporter.simulator.answers import Answer, Call, gateway_error
from exporter.simulator.lockout import Lockout

WINDOW: Final = 15 * 60.0
"""Seconds by which X-Sdk-Date may differ from the server's clock."""

LOCK: Final = 5 * 60.0
"""Seconds for which a locked access key is refused, correct signatures too."""

_DATE: Final = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A permanent key, or with *security_token* a temporary one, of *user*; *expires_at* is Unix seconds."""

    key_id: str
    secret: str
    user: str
    security_token: str | None = None
    expires_at: float = math.inf


@dataclass(frozen=True, slots=True)
class Token:
    """A token of *user* for one project (None: for any); *expires_at* is Unix seconds."""

    text: str
    user: str
    expires_at: float = math.inf
    project_id: str | None = None


class Caller(NamedTuple):
    """Who was let in, and the only project that the credential is good for (None: any)."""

    user: str
    project_id: str | None = None


class Gate:
    """Knows the keys and tokens, and counts the failures of each key. Times are Unix seconds of the gateway.

    *lockings* lists every key that got locked, and when.
    """

    def __init__(self) -> None:
        self.keys: dict[str, AccessKey] = {}
        self.tokens: dict[str, Token] = {}
        self._revoked: set[str] = set()
        self._lockout = Lockout(LOCK)
        self.lockings = self._lockout.lockings

    def check(self, call: Call, now: float) -> Caller | Answer:
        """Return who asks, or the refusal."""
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
            return stale_token()
        return Caller(token.user, token.project_id)

    def locked(self, key_id: str, now: float) -> bool:
        """Return whether the key is locked at *now*."""
        return self._lockout.locked(key_id, now)

    def worst(self, key_id: str) -> int:
        """Return the most failures in a row that the key ever had."""
        return self._lockout.worst(key_id)

    def revoke(self, key_id: str) -> None:
        """Refuse a key from now on, as one that was deleted."""
        self._revoked.add(self.keys[key_id].key_id)

    def restore(self, key_id: str) -> None:
        """Take a revoked key's refusal back."""
        self._revoked.remove(key_id)

    def revoke_token(self, text: str) -> None:
        """Refuse a token from now on, as happens when its user's password or permissions change."""
        del self.tokens[text]

    def _signed(self, call: Call, header: str, now: float) -> Caller | Answer:
        claim = signing.parse(header)
        if claim is None:
            return _refusal("calc aksk signature fail:authorization header has a wrong format")
        key = self.keys.get(claim.key_id)
        if key is None or key.key_id in self._revoked or now >= key.expires_at:
            # Not counted: what the vendor locks is a pair of access key and secret whose signatures fail. Where
            # there is no such pair, or none any more, no signature is checked and there is nothing to lock.
            return _refusal("Get secretKey failed,ak:***,err:ak not exist")
        if self.locked(key.key_id, now):
            return _refusal("AK access failed to reach the limit,forbidden.")
        fault = _fault(call, claim, key, now)
        if fault is None:
            self._lockout.succeed(key.key_id)
            return Caller(key.user)
        self._lockout.fail(key.key_id, now)
        return _refusal(fault)


def credential(call: Call) -> str | None:
    """Return what a request shows for itself: the id of its access key, ``token``, or None."""
    header = call.headers.get("authorization")
    if header is None:
        return "token" if "x-auth-token" in call.headers else None
    claim = signing.parse(header)
    return None if claim is None else claim.key_id


def stale_token() -> Answer:
    """Write the refusal of a token that has expired or is of another project."""
    return gateway_error(401, "APIGW.0307", "The token must be updated.")


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
