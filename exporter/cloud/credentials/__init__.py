"""Credentials: each kind adds the headers that authenticate a call.

The HTTP client knows only this protocol; the details of keys and tokens stay in the modules of their kinds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request exactly as it will be sent, except for the headers that its credentials add."""

    method: str
    host: str
    """As in the ``Host`` header: with the port if it is not the scheme's own."""
    path: str
    """Percent-encoded, as sent."""
    now: float
    """Unix seconds; the vendor refuses a signature whose time is more than 15 minutes off."""
    query: tuple[tuple[str, str], ...] = ()
    """Plain text; sent as :func:`~exporter.cloud.credentials.signing.canonical_query` writes it."""
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers that are sent and, where the credentials sign, signed."""


class Credentials(Protocol):
    """One identity at the vendor's."""

    @property
    def identity(self) -> str:
        """What a rate budget and a lock belong to; the same after its key or token was renewed; never a secret."""

    @property
    def in_use(self) -> str:
        """What proves the identity now, for people: of a key its name, which is another one after a rotation."""

    @property
    def signs(self) -> bool:
        """Whether calls are signed with a key: then all its refusals count together, whatever the project.

        A token is of one project, and one that is refused says nothing of another's.
        """

    @property
    def expires_at(self) -> float | None:
        """When what is in use expires, in Unix seconds; ``None`` if it never does or nobody said when."""

    @property
    def generation(self) -> int:
        """A number that changes whenever what proves the identity does: a file, a token or a key is another one.

        Reading it starts a check of the files, at most once a second; what that finds counts from then on.
        """

    async def load(self) -> None:
        """Read the files, so that the identity is known; the first call reports a file that cannot be read."""

    async def headers(self, call: Call) -> dict[str, str]:
        """Return the headers to send besides ``call.headers``.

        Raises :class:`~exporter.model.errors.PollError` if there is nothing to prove the identity with.
        """

    async def renew(self, refused: int) -> None:
        """Get another proof where that is possible: the cloud refused the one of the generation *refused*.

        Files are looked at again at once. Nothing is done if the generation is another one already, and one attempt
        serves all who wait for it. Raises :class:`~exporter.model.errors.PollError` if the attempt fails; what was in
        use stays in use.
        """


class Bare:
    """Sends headers as they are: for the calls that get something to prove an *identity* with."""

    in_use = ""
    signs = False
    expires_at = None
    generation = 0

    def __init__(self, headers: Mapping[str, str] | None = None, identity: str = "") -> None:
        self.identity = identity
        self._headers = dict(headers or {})

    async def headers(self, call: Call) -> dict[str, str]:
        """Return the headers."""
        del call
        return self._headers

    async def load(self) -> None:
        """Do nothing: there are no files."""

    async def renew(self, refused: int) -> None:
        """Do nothing: there is nothing else to send."""
