"""Whether calls of one identity may go: the rule that keeps a key from being locked.

More than five signatures in a row that fail lock a key for five minutes, for all who use it. So calls go alone until
the cloud took one; a refused one leads to one renewal and one more call, alone; if that is refused too, all calls
pause, and now and then one is let through to try.

::

    unproven --taken--> open --refused--> (renewal) unproven --refused--> paused --time, other credentials--> unproven
"""

from enum import Enum, auto
from typing import Final, NamedTuple

PROBE: Final = 360.0
"""Seconds between two calls while paused: a minute longer than a key stays locked."""


class Ticket(NamedTuple):
    """The right to make one call."""

    epoch: int
    """Between two changes of the gate; what a call of an earlier one met says nothing of now."""
    alone: bool
    probe: bool = False
    """Whether it tries what was refused before."""


class Verdict(Enum):
    """What a refused call means."""

    STALE = auto()
    """Nothing new: it was on its way when another one was refused."""
    RENEW = auto()
    """The credentials are to be renewed; the gate is shut until :meth:`Gate.renewed`."""
    PAUSE = auto()
    """No more calls until :data:`PROBE` seconds went by or the credentials are others."""


class Gate:
    """Lets calls of one identity through, all at once or one alone."""

    def __init__(self) -> None:
        self._epoch = 0
        self._proven = False
        self._alone = False  # a call that goes alone is on its way
        self._shut = False
        self._refused = False  # the last thing that was heard, so the next refusal pauses
        self._probe = False
        self.probe_at: float | None = None
        """When a call may try again; ``None`` unless paused."""

    @property
    def paused(self) -> bool:
        """Whether no call may go."""
        return self.probe_at is not None

    @property
    def free(self) -> bool:
        """Whether a call may go now."""
        return not self.paused and not self._shut and (self._proven or not self._alone)

    def enter(self) -> Ticket:
        """Let one call go; it ends with one of the four methods below."""
        self._alone = not self._proven
        return Ticket(self._epoch, self._alone, self._probe)

    def taken(self, ticket: Ticket) -> bool:
        """Note that the cloud knew who asked; return whether that is news."""
        if ticket.epoch != self._epoch or self._proven:
            return False
        self._proven = True
        self._alone = self._refused = self._probe = False
        return True

    def refused(self, ticket: Ticket, now: float) -> Verdict:
        """Note that the cloud refused who asked."""
        if ticket.epoch != self._epoch:
            return Verdict.STALE
        again = self._refused
        self._begin()
        self._refused = True
        if again:
            self.probe_at = now + PROBE
            return Verdict.PAUSE
        self._shut = True
        return Verdict.RENEW

    def left(self, ticket: Ticket) -> None:
        """Note that the call is over, whatever came of it; it may be told besides what came."""
        if ticket.alone and ticket.epoch == self._epoch:
            self._alone = False

    def renewed(self) -> None:
        """Note that the renewal is over; the next call goes alone."""
        self._shut = False

    def probe(self) -> None:
        """Let one call try, although calls are paused; if it is refused they still are."""
        self._begin()
        self._refused = self._probe = True

    def changed(self) -> None:
        """Note that the credentials are others; the next call goes alone."""
        self._begin()
        self._refused = False

    def _begin(self) -> None:
        self._epoch += 1
        self._proven = self._alone = self._shut = self._probe = False
        self.probe_at = None
