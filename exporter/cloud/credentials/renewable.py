"""What is fetched, proves an identity for a time, and is renewed well before that is over."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Final, Generic, TypeVar

import structlog

from exporter.clock import Clock
from exporter.cloud.credentials.secret_files import SecretFiles
from exporter.cloud.single_flight import SingleFlight
from exporter.model.errors import PollError
from exporter.model.reason import Reason
from exporter.services.timestamps import moment

REFUSED_ONCE: Final = 30.0
"""Seconds until what was refused is asked for again with the same files."""
REFUSED_AGAIN: Final = 360.0
"""Seconds once it was refused twice: five logins of a user within a quarter of an hour would lock him out."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lease(Generic[T]):
    """A proof and its time, in Unix seconds."""

    proof: T = field(repr=False)
    expires_at: float | None
    """``None`` if nobody said."""
    renew_at: float


class Renewable(ABC, Generic[T]):
    """Fetches a proof with what is in *files*, and anew when they change or it is time to.

    While a proof is valid nobody waits for a renewal that another has begun, and one that fails changes nothing. Of a
    failure in *lasting* nothing is asked again until the files change or the cloud refuses what is in use.
    """

    def __init__(self, files: Sequence[Path], clock: Clock, lasting: tuple[Reason, ...] = ()) -> None:
        self._files = SecretFiles(files, clock.monotonic)
        self._clock = clock
        self._shared = SingleFlight(self._lease_anew, clock, lasting)
        self._lease: Lease[T] | None = None
        self._renewals = 0
        self._refusals = 0  # in a row, of the identity that asks for a proof
        self._refused_at = float("-inf")
        self._read = 0
        """The generation of the files that the last attempt was made with."""
        self._complaint: Reason | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.identity!r})"

    @property
    @abstractmethod
    def identity(self) -> str:
        """Who it is; never a secret."""

    @property
    def in_use(self) -> str:
        """The same: what is fetched changes all the time."""
        return self.identity

    @abstractmethod
    async def _fetch(self, contents: tuple[str, ...]) -> Lease[T]:
        """Get a proof with the *contents* of the files."""

    @property
    def expires_at(self) -> float | None:
        """When what was fetched last expires, as the cloud said."""
        return self._lease.expires_at if self._lease else None

    @property
    def generation(self) -> int:
        """Changes with the files and with each other proof."""
        return self._files.generation + self._renewals

    async def renew(self, refused: int) -> None:
        """Fetch another proof, unless the one that was *refused* is not in use any more, or it is too soon."""
        if self.generation != refused:
            return
        await self._files.look_again()
        if self.generation == refused:
            await self._files.contents()
            await self._shared.ask(at_once=not self._too_soon)

    async def load(self) -> None:
        """Read the files."""
        await self._files.look_again()

    @property
    def _too_soon(self) -> bool:
        """Whether to ask once more would bring the user nearer to a lock."""
        rest = REFUSED_AGAIN if self._refusals > 1 else REFUSED_ONCE
        return self._refusals > 0 and self._clock.monotonic() < self._refused_at + rest

    async def _proof(self) -> T:
        """Return a valid proof; raises :class:`~exporter.model.errors.PollError` if there is none to be had."""
        await self._files.contents()  # each call reports one that cannot be read; it is not remembered as a failure
        changed = self._files.generation != self._read
        now, lease = self._clock.now(), self._lease
        if lease is None or (lease.expires_at is not None and now >= lease.expires_at):
            return (await self._shared.ask(at_once=changed)).proof
        if (now < lease.renew_at and not changed) or self._shared.underway:
            return lease.proof
        try:
            return (await self._shared.ask(at_once=changed)).proof
        except PollError as error:
            self._complain(error)
            return lease.proof

    async def _lease_anew(self) -> Lease[T]:
        contents = await self._files.contents()
        self._read = self._files.generation
        try:
            lease = await self._fetch(contents)
        except PollError as error:
            if error.refused:
                self._refusals, self._refused_at = self._refusals + 1, self._clock.monotonic()
            raise
        self._refusals = 0
        if lease.expires_at is not None and lease.expires_at <= self._clock.now():
            sentence = f"what proves {self.identity} has expired before it came; check the clock of this machine"
            raise PollError(Reason.PAYLOAD, sentence)
        if self._lease is None or lease.proof != self._lease.proof:
            self._renewals += 1
        self._lease, self._complaint = lease, None
        return lease

    def _complain(self, error: PollError) -> None:
        """Log why a renewal failed, once for each reason: the polls go on meanwhile."""
        if self._complaint is not error.reason:
            self._complaint = error.reason
            structlog.get_logger().warning(
                "credentials not renewed",
                identity=self.identity,
                reason=error.reason.value,
                error=error.sentence,
                expires_at=self.expires_at,
            )


def expiry(said: object) -> float | None:
    """Read the time at which something expires, ``None`` if it cannot be read; the vendor tells it in UTC."""
    try:
        return moment(said, UTC) if isinstance(said, str) else None
    except ValueError:
        return None
