"""Who may ask: tokens, signatures, and the lock that too many wrong signatures in a row put on a key."""

import hashlib
import hmac
import json
import random
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from tests.hostile.exchange import Answer, Request
from tests.hostile.honest import gateway
from tests.hostile.truth import World

AUTHORIZATION = re.compile(r"SDK-HMAC-SHA256 Access=([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]+)")
STRIKES, LOCK = 5, 300.0
TOKEN_LIFE = 86_400.0


@dataclass
class Callers:
    """What the cloud remembers of those who ask; *identity* is None for those who may not."""

    world: World
    rng: random.Random
    tokens: dict[str, str] = field(default_factory=dict)
    strikes: dict[str, int] = field(default_factory=dict)
    locked: dict[str, float] = field(default_factory=dict)
    locks: int = 0

    def identity(self, request: Request, now: float) -> str | None:
        """Return the user or key that a request is from, if it may ask."""
        if token := request.headers.get("x-auth-token"):
            return self.tokens.get(token)
        found = AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        if found is None or self.locked.get(found[1], 0.0) > now:
            return None
        if signature(request, self.world.keys.get(found[1], ""), found[2]) != found[3]:
            return None
        self.strikes[found[1]] = 0
        return found[1]

    def refused(self, request: Request, now: float) -> None:
        """Count a refusal that was sent to whoever uses a key; more than five in a row lock the key.

        A refusal that was never sent, because the call met a misbehaviour or was given up before, does not count:
        nobody could act on it.
        """
        key = self.key(request)
        if key is None or self.locked.get(key, 0.0) > now:
            return
        self.strikes[key] = self.strikes.get(key, 0) + 1
        if self.strikes[key] > STRIKES:
            self.locked[key], self.strikes[key] = now + LOCK, 0
            self.locks += 1

    def key(self, request: Request) -> str | None:
        """Return the key that a request names, right or wrong."""
        found = AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        return found[1] if found else None

    def token(self, request: Request, now: float) -> Answer:
        """Answer who asks for a token."""
        try:
            user = json.loads(request.body)["auth"]["identity"]["password"]["user"]
            right = self.world.users.get(user["name"]) == user["password"]
        except (ValueError, KeyError, TypeError):
            return Answer(
                400, {"error": {"code": 400, "message": "The request body is invalid.", "title": "Bad Request"}}
            )
        if not right:
            text = "The username or password is wrong."
            return Answer(401, {"error": {"code": 401, "message": text, "title": "Unauthorized"}})
        token = f"MII{self.rng.getrandbits(256):064x}"
        self.tokens[token] = user["name"]
        ends = datetime.fromtimestamp(now + TOKEN_LIFE, UTC).strftime("%Y-%m-%dT%H:%M:%S.855000Z")
        body = {"token": {"expires_at": ends, "methods": ["password"], "catalog": [], "user": {"name": user["name"]}}}
        return Answer(201, body, {"X-Subject-Token": token})

    @staticmethod
    def refusal(request: Request) -> Answer:
        """Return what somebody hears who may not ask."""
        if "x-auth-token" in request.headers:
            return gateway(401, "APIGW.0307", "The token must be updated.")
        text = "Incorrect IAM authentication information: verify aksk signature fail"
        return gateway(401, "APIGW.0301", text)


def signature(request: Request, secret: str, signed: str) -> str:
    """Return the signature that a request must have."""
    split = urlsplit(request.target)
    path = quote(unquote(split.path), safe="~/").rstrip("/") + "/"  # an encoded slash is signed as a plain one
    pairs = sorted(parse_qsl(split.query, keep_blank_values=True))
    query = "&".join(f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in pairs)
    headers = "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in signed.split(";"))
    body = hashlib.sha256(request.body).hexdigest()
    canonical = "\n".join((request.method, path, query, headers, signed, body))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"SDK-HMAC-SHA256\n{request.headers.get('x-sdk-date', '')}\n{digest}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
