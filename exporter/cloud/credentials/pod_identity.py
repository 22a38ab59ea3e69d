"""Credentials: the identity that CCE gives to the pod that the exporter runs in."""

from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from exporter.clock import Clock
from exporter.cloud.credentials.renewable import Lease
from exporter.cloud.credentials.secret_files import one_word
from exporter.cloud.credentials.temporary_key import IssuedKey, TemporaryKey
from exporter.cloud.identity_calls import IdentityCalls
from exporter.cloud.identity_errors import identity_refusal
from exporter.model.reason import Reason
from exporter.services.request import Request

_LIMIT: Final = "pod_identity"
"""What these calls are counted as; the vendor counts them by no user, so there is no limit to keep to."""
_SOURCE: Final = "the pod identity agent"
_SENTENCES: Final = {
    Reason.API: "the pod identity agent hands out no key; check the pod identity association of the service account",
    Reason.AUTH: "the pod identity agent refused the pod's token; check the pod identity association of the service"
    " account",
    Reason.SERVER: "the pod identity agent failed to answer; it is asked again later",
}


class PodIdentity(TemporaryKey):
    """Signs with the keys that the agent at *uri* hands out for the pod's token, which is in *token_file*.

    *calls* must go through no proxy. The file is read again when it changes, as it does about every hour.
    """

    def __init__(self, uri: str, token_file: Path, calls: IdentityCalls, clock: Clock) -> None:
        url = urlsplit(uri)
        super().__init__(_SOURCE, f"{url.scheme}://{url.netloc}", calls, [token_file], clock)
        query = tuple(parse_qsl(url.query, keep_blank_values=True))
        self._request = Request("GetPodIdentityKey", url.path or "/", _LIMIT, query, "POST", b"{}")

    @property
    def identity(self) -> str:
        """The same for all projects: a pod has one identity."""
        return "identity of this pod"

    async def _fetch(self, contents: tuple[str, ...]) -> Lease[IssuedKey]:
        token = one_word(contents[0], "token of the pod")
        answer = await self._ask(self._request, {"Authorization": token})
        if answer.status not in {200, 201}:
            raise identity_refusal(answer, _SENTENCES, self._clock.now())
        return self._leased(answer)
