"""Credentials that are fetched, are valid for a limited time, and are renewed well before they expire."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Final, Generic, TypeVar

import structlog

from exporter.clock import Clock
from exporter.cloud.credentials.secret_files import SecretFiles
from exporter.cloud.response import Response, server_skew
from exporter.cloud.single_flight import SingleFlight
from exporter.model.errors import PollError
from exporter.model.reason import Reason
from exporter.services.timestamps import moment

_REFUSED_ONCE: Final = 30.0
"""Seconds until what was refused is asked for again with the same files."""
_REFUSED_AGAIN: Final = 360.0
"""Seconds once it was refused twice: five logins of a user within a quarter of an hour would lock him out."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Lease(Generic[_T]):
    """A proof and its time, in Unix seconds."""

    proof: _T = field(repr=False)
    expires_at: float | None
    """``None`` if nobody said."""
    renew_at: float


class Logins:
    """What became of the attempts of one identity to get a proof, whichever project made them.

    The vendor counts the refused ones of all projects together, so these share one of these objects.
    """

    def __init__(self) -> None:
        self.one_at_a_time = asyncio.Lock()
        self._refusals = 0  # in a row
        self._refused_at = float("-inf")
        self._contents: tuple[str, ...] | None = None
        self._refusal: PollError | None = None

    def too_soon(self, now: float, contents: tuple[str, ...] | None) -> PollError | None:
        """Return what was refused last, if to try once more would bring the user nearer to a lock.

        *contents* are those of the files: others than were refused may be tried at once.
        """
        rest = _REFUSED_AGAIN if self._refusals > 1 else _REFUSED_ONCE
        waits = self._refusals > 0 and contents == self._contents and now < self._refused_at + rest
        return self._refusal if waits else None

    def refused(self, now: float, contents: tuple[str, ...], refusal: PollError) -> None:
        """Note a refused attempt."""
        self._refusals, self._refused_at = self._refusals + 1, now
        self._contents, self._refusal = contents, refusal

    def worked(self) -> None:
        """Note that one worked."""
        self._refusals = 0


class Renewable(ABC, Generic[_T]):
    """Fetches a proof with what is in *files*, and again when they change or it is time to.

    While a proof is valid nobody waits for a renewal that another has begun, and one that fails changes nothing. Of a
    failure in *lasting* nothing is asked again until the files change or the cloud refuses what is in use.
    """

    def __init__(
        self, files: Sequence[Path], clock: Clock, lasting: tuple[Reason, ...] = (), logins: Logins | None = None
    ) -> None:
        self._files = SecretFiles(files, clock.monotonic)
        self._clock = clock
        self._shared = SingleFlight(self._lease_anew, clock, lasting)
        self._lease: Lease[_T] | None = None
        self._renewals = 0
        self._logins = logins or Logins()
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
    async def _fetch(self, contents: tuple[str, ...]) -> Lease[_T]:
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
            soon = self._logins.too_soon(self._clock.monotonic(), self._files.known)
            await self._shared.ask(at_once=soon is None)

    async def load(self) -> None:
        """Read the files."""
        await self._files.look_again()

    async def _proof(self) -> _T:
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

    async def _lease_anew(self) -> Lease[_T]:
        async with self._logins.one_at_a_time:
            lease = await self._attempt()
        if self._lease is None or lease.proof != self._lease.proof:
            self._renewals += 1
        self._lease, self._complaint = lease, None
        return lease

    async def _attempt(self) -> Lease[_T]:
        """Fetch a proof, unless what another project was refused would be tried again too soon."""
        contents = await self._files.contents()
        self._read = self._files.generation
        if (refusal := self._logins.too_soon(self._clock.monotonic(), contents)) is not None:
            again = refusal.retold()
            again.refused = True  # calls of this project are to pause too
            raise again
        try:
            lease = await self._fetch(contents)
        except PollError as error:
            if error.refused:
                self._logins.refused(self._clock.monotonic(), contents, error)
            raise
        self._logins.worked()
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


def expiry(said: object, answer: Response, now: float) -> float | None:
    """Return when what *answer* brought expires, ``None`` if it does not tell; the vendor says it in UTC.

    What is over by our clock, *now*, when it comes is read against the clock of who sent it: ours may be ahead. If it
    is over by that one too it is not meant, and the services decide whether they accept the proof.
    """
    try:
        expires_at = moment(said, UTC) if isinstance(said, str) else None
    except ValueError:
        return None
    if expires_at is None or expires_at > now:
        return expires_at
    mended = expires_at - (server_skew(answer.headers.get("date"), now) or 0.0)
    return mended if mended > now else None
