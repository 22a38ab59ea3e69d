"""Who asks: each kind of credentials turns one call into the headers that prove it.

The protocol is all that the transport knows; what a key or a token is made of stays in its own module.
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
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers that are sent and, where the credentials sign, signed."""


class Credentials(Protocol):
    """One identity at the vendor's."""

    @property
    def identity(self) -> str:
        """What a rate budget and a lock belong to; never a secret."""

    async def headers(self, call: Call) -> dict[str, str]:
        """Return the headers to send besides ``call.headers``.

        Raises :class:`~exporter.core.errors.PollError` if there is nothing to prove the identity with.
        """
