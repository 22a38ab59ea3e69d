"""Credentials: temporary access keys that a service on the same machine provides.

Source: ECS user guide, "Obtaining Metadata", and the vendor's Python SDK, which accepts all of these spellings. A key
is valid for an hour; the next one is available ten minutes before it expires.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from exporter.clock import Clock
from exporter.cloud.credentials import Bare, Call
from exporter.cloud.credentials.renewable import Lease, Renewable, expiry
from exporter.cloud.credentials.secret_files import one_word
from exporter.cloud.credentials.signing import Signer
from exporter.cloud.identity_calls import IdentityCalls
from exporter.cloud.response import Response
from exporter.model.errors import PollError
from exporter.model.reason import Reason
from exporter.services.document import json_object
from exporter.services.request import Request

TIMEOUT: Final = 3.0
"""Seconds for one call: who answers is on the same machine."""
EARLY: Final = 40 * 60.0
"""Seconds before its end from which on a key is renewed, as the vendor's SDK does."""
_AT_LATEST: Final = 3600.0
"""Seconds after which any key is renewed."""
_LOOK_AGAIN: Final = 300.0
"""Seconds until the next look where the next key is not there yet, or nobody said when this one ends."""


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A temporary access key."""

    key_id: str = field(repr=False)
    secret: str = field(repr=False)
    token: str = field(repr=False)


class TemporaryKey(Renewable[IssuedKey]):
    """Signs with a key that *source*, in the words of a sentence, hands out at *base_url*."""

    def __init__(self, source: str, base_url: str, calls: IdentityCalls, files: Sequence[Path], clock: Clock) -> None:
        super().__init__(files, clock)
        self._source = source
        self._base_url = base_url
        self._calls = calls

    @property
    def signs(self) -> bool:
        """Yes."""
        return True

    async def headers(self, call: Call) -> dict[str, str]:
        """Sign *call*; raises :class:`~exporter.model.errors.PollError` if there is no valid key to be had."""
        key = await self._proof()
        return Signer(key.key_id, key.secret, key.token).headers(call)

    async def _ask(self, request: Request, headers: Mapping[str, str]) -> Response:
        try:
            return await self._calls.send(self._base_url, request, Bare(headers))
        except PollError as error:
            if error.reason not in {Reason.TIMEOUT, Reason.UNREACHABLE}:
                raise
            sentence = f"{self._source} does not answer; these credentials work only where the cloud provides it"
            raise PollError(error.reason, sentence) from error

    def _leased(self, answer: Response) -> Lease[IssuedKey]:
        """Read the key in any of its spellings."""
        document = json_object(answer.body)
        fields = document.get("credential") or document.get("credentials") or document
        if not isinstance(fields, dict):
            fields = {}
        key = IssuedKey(
            self._part(fields, "access key id", "access", "accessKeyId", "access_key_id"),
            self._part(fields, "secret", "secret", "secretAccessKey", "secret_access_key"),
            self._part(fields, "security token", "securitytoken", "securityToken", "security_token"),
        )
        now = self._clock.now()
        expires_at = expiry(fields.get("expires_at") or fields.get("expiration"), answer, now)
        life = _LOOK_AGAIN
        if expires_at is not None:
            left = expires_at - now
            life = min(max(left - EARLY, min(left / 2, _LOOK_AGAIN)), _AT_LATEST)
        return Lease(key, expires_at, now + life)

    def _part(self, fields: Mapping[str, Any], what: str, *names: str) -> str:
        found = next((value for name in names if isinstance(value := fields.get(name), str) and value), None)
        if found is None:
            raise PollError(Reason.PAYLOAD, f"{self._source} returned no {what}")
        return one_word(found, f"{what} of {self._source}", Reason.PAYLOAD)
