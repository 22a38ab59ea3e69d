"""Credentials: the agency of the ECS or CCE node that the exporter runs on."""

from typing import Final

from exporter.clock import Clock
from exporter.cloud.credentials.renewable import Lease
from exporter.cloud.credentials.secret_files import one_word
from exporter.cloud.credentials.temporary_key import IssuedKey, TemporaryKey
from exporter.cloud.identity_calls import IdentityCalls
from exporter.cloud.identity_errors import identity_refusal
from exporter.model.errors import PollError
from exporter.model.reason import Reason
from exporter.services.request import Request

_ADDRESS: Final = "http://169.254.169.254"
_SOURCE: Final = "the metadata service"
_LIMIT: Final = "metadata"
"""What these calls are counted as; the vendor counts them by no user, so there is no limit to keep to."""
_TOKEN: Final = Request("CreateMetadataToken", "/meta-data/latest/api/token", _LIMIT, method="PUT")
_KEY: Final = Request("GetSecurityKey", "/openstack/latest/securitykey", _LIMIT)
LIFE: Final = {"X-Metadata-Token-Ttl-Seconds": "21600"}
_OLD_VERSION: Final = frozenset({404, 405, 503})
"""What a metadata service answers that knows no tokens."""
NO_AGENCY: Final = b"Please configure Cloud Service Agency first"
_SENTENCES: Final = {
    Reason.API: "the metadata service hands out no key; check the agency of this node",
    Reason.AUTH: "the metadata service refused its own token; it is asked again",
    Reason.CONFIG: "the metadata service knows no keys; choose an agency for this node in the ECS console",
    Reason.SERVER: "the metadata service failed to answer; it is asked again later",
}


class Metadata(TemporaryKey):
    """Signs with the keys of the node's agency.

    *calls* must go through no proxy; *base_url* is where the metadata service is.
    """

    def __init__(self, calls: IdentityCalls, clock: Clock, base_url: str = _ADDRESS) -> None:
        super().__init__(_SOURCE, base_url, calls, [], clock)

    @property
    def identity(self) -> str:
        """The same for all projects: a node has one agency."""
        return "agency of this node"

    async def _fetch(self, contents: tuple[str, ...]) -> Lease[IssuedKey]:
        del contents
        answer = await self._ask(_KEY, await self._token())
        if answer.status == 401 and NO_AGENCY in answer.body:
            sentence = "this node has no agency; choose one in the ECS console that may read the jobs"
            raise PollError(Reason.AUTH, f"{sentence} (HTTP 401 of the metadata service)")
        if answer.status != 200:
            raise identity_refusal(answer, _SENTENCES, self._clock.now())
        return self._leased(answer)

    async def _token(self) -> dict[str, str]:
        """Return the header that the service wants where it is of the second version; a token for each key."""
        answer = await self._ask(_TOKEN, LIFE)
        if answer.status in _OLD_VERSION:
            return {}
        if answer.status != 200:
            raise identity_refusal(answer, _SENTENCES, self._clock.now())
        text = answer.body.decode("ascii", "replace")
        return {"X-Metadata-Token": one_word(text, "token of the metadata service", Reason.PAYLOAD)}
