"""Where a machine gets temporary access keys without a secret of its own: what its node or its pod is told.

The facts are those of the vendor's metadata page and of the vendor's own clients, which read every spelling here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from exporter.simulator.auth import AccessKey
from exporter.simulator.world import utc


@dataclass(frozen=True, slots=True)
class Spelling:
    """The names in a key document; *wrapper* names the object around them, None leaves it out."""

    access: str
    secret: str
    token: str
    expires: str = "expires_at"
    wrapper: str | None = "credential"


PLAIN: Final = Spelling("access", "secret", "securitytoken")
CAMEL: Final = Spelling("accessKeyId", "secretAccessKey", "securityToken")
SNAKE: Final = Spelling("access_key_id", "secret_access_key", "security_token")


class KeySource:
    """Hands out temporary keys of *user*, one after the other.

    A key lives *life* seconds; *early* seconds (fewer) before its end the next one takes its place, and both are
    valid.
    The first one begins when it is asked for, the others at their time whether anybody asks or not.
    """

    def __init__(self, user: str, issue: Callable[[str, float], AccessKey]) -> None:
        self.user = user
        self.spelling = PLAIN
        self.life = 3600.0
        self.early = 600.0
        self._issue = issue
        self._key: AccessKey | None = None
        self._begins: float | None = None

    def key(self, now: float) -> AccessKey:
        """Return the key that is handed out at *now*, Unix seconds."""
        begins = now if self._begins is None else self._begins
        if self._key is not None:
            if now < self._key.expires_at - self.early:
                return self._key
            begins = self._key.expires_at - self.early
        turn = self.life - self.early
        begins += math.floor((now - begins) / turn) * turn
        self._key = self._issue(self.user, begins + self.life)
        return self._key

    def renew(self, begins: float) -> None:
        """Let the next answer bring another key, whose life began at *begins*; the old one stays valid."""
        self._key, self._begins = None, begins

    def document(self, now: float) -> dict[str, Any]:
        """Return the key of *now* under the names of the spelling."""
        key, names = self.key(now), self.spelling
        named = {
            names.access: key.key_id,
            names.secret: key.secret,
            names.token: key.security_token,
            names.expires: utc(key.expires_at),
        }
        return named if names.wrapper is None else {names.wrapper: named}


class Metadata(KeySource):
    """The metadata service of a node.

    *token_refusal* is None where tokens are offered; an older service answers 404, 405 or 503 instead. With
    *token_required* nothing else is told without a valid token; otherwise tokens are not looked at. *agency* says
    whether the node may act for anybody. *tokens* holds when each token ends, Unix seconds.
    """

    def __init__(self, issue: Callable[[str, float], AccessKey]) -> None:
        super().__init__("node_agency", issue)
        self.token_refusal: int | None = None
        self.token_required = False
        self.agency = True
        self.tokens: dict[str, float] = {}

    def admits(self, token: str | None, now: float) -> bool:
        """Return whether a caller with *token* is told anything at *now*."""
        return not self.token_required or now < self.tokens.get(token or "", -math.inf)


class PodIdentity(KeySource):
    """The keys of a CCE pod: told to whoever knows *authorization*, which the pod finds in a file."""

    path: Final = "/v1/pod-identity/credentials"

    def __init__(self, issue: Callable[[str, float], AccessKey]) -> None:
        super().__init__("pod_agency", issue)
        self.authorization = "pretend-pod-identity"
