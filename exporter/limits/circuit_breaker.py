"""Whether calls of one identity may go: the rule that keeps a key from being locked.

More than five signatures in a row that fail lock a key for five minutes, for all who use it. So a call goes alone until
the cloud took one; a refused one leads to one renewal and one more call, alone; if that is refused too, all calls
pause, and now and then one is let through to try::

    unproven --taken--> proven --refused--> unproven (after one renewal) --refused--> paused
    paused --time--> unproven (a probe) --taken--> proven
                                        --refused, or nothing came of it--> paused
    any --the credentials are others--> unproven, or paused a while longer
"""

from enum import Enum, auto
from itertools import count
from typing import Final, NamedTuple

PROBE: Final = 360.0
"""Seconds between two calls while paused: a minute longer than a key stays locked."""
AGAIN: Final = 60.0
"""Seconds to the next one if nothing came of a probe: no answer, or one that tells nothing of who asked."""
PATIENCE: Final = 5
"""Refusals in a row that lock nothing yet; the next one would."""
RARELY: Final = 3600.0
"""Seconds between two calls while paused, once the next refusal would lock the key."""
FEW: Final = 4
"""Calls that may go at a time before one was taken, once one ended without an answer: a cloud that hangs must not let
the jobs wait for each other, and so few that are refused lock nothing."""


_EPOCHS: Final = count()


class Ticket(NamedTuple):
    """The right to make one call."""

    epoch: int
    """Between two changes of a gate, no two gates have the same; what a call of an earlier one met says nothing of
    now."""
    alone: bool
    """Whether it goes before one was taken."""
    probe: bool = False
    """Whether it tries what was refused before."""


class Verdict(Enum):
    """What a refused call means."""

    STALE = auto()
    """Nothing new: it was on its way when another one was refused."""
    RENEW = auto()
    """The credentials are to be renewed; the gate is shut until :meth:`Gate.renewed`."""
    PAUSE = auto()
    """No more calls for a while."""


class CircuitBreaker:
    """Lets calls of one identity through, all at once or one alone."""

    def __init__(self) -> None:
        self._epoch = next(_EPOCHS)
        self._proven = False
        self._alone = 0  # calls on their way before one was taken
        self._width = 1  # how many of them there may be
        self._shut = False
        self._tried = False  # what is in use was renewed, so the next refusal pauses
        self._probing = False
        self._refusals = 0  # since the last call that was taken, stale ones too: the vendor counts them
        self._refused_at = float("-inf")
        self.probe_at: float | None = None
        """When a call may try again; ``None`` unless paused."""

    @property
    def paused(self) -> bool:
        """Whether no call may go."""
        return self.probe_at is not None

    @property
    def free(self) -> bool:
        """Whether a call may go now."""
        return not self.paused and not self._shut and (self._proven or self._alone < self._width)

    @property
    def wait(self) -> float:
        """Seconds from a refusal to the next call that tries."""
        return PROBE if self._refusals < PATIENCE else RARELY

    def enter(self) -> Ticket:
        """Let one call go; it ends with :meth:`left`, after what is known of it was told."""
        alone = not self._proven
        self._alone += alone
        return Ticket(self._epoch, alone, self._probing)

    def taken(self, ticket: Ticket) -> bool:
        """Note that the cloud knew who asked; return whether that is news."""
        if ticket.epoch != self._epoch:
            return False
        self._refusals = 0
        news, self._proven = not self._proven, True
        self._tried = self._probing = False
        return news

    def refused(self, ticket: Ticket, now: float) -> Verdict:
        """Note that the cloud refused who asked."""
        self._refusals += 1
        self._refused_at = now
        if ticket.epoch != self._epoch:
            return Verdict.STALE
        tried = self._tried or self._refusals >= PATIENCE
        self._begin()
        self._tried = True
        if tried:
            self.probe_at = now + self.wait
            return Verdict.PAUSE
        self._shut = True
        return Verdict.RENEW

    def renewed(self, now: float, *, refused: bool = False) -> None:
        """Note that the renewal is over; the next call goes alone, unless the renewal itself was *refused*."""
        self._shut = False
        if refused:
            self._refusals += 1
            self._refused_at = now
            self.probe_at = now + self.wait

    def left(self, ticket: Ticket, now: float) -> None:
        """Note that a call is over."""
        if ticket.epoch != self._epoch or not ticket.alone or self._shut:
            return
        self._alone = max(0, self._alone - 1)
        if self._proven:
            return
        if ticket.probe:
            self._begin()
            self.probe_at = now + AGAIN
        self._width = FEW

    def probe(self) -> None:
        """Let one call try, although calls are paused; unless it is taken they are again."""
        self._begin()
        self._tried = self._probing = True

    def changed(self, now: float) -> None:
        """Note that the credentials are others: the next call goes alone, at once if it cannot lock the key."""
        self._begin()
        self._tried = self._refusals > 2
        if self._refusals >= PATIENCE - 1 and now < self._refused_at + PROBE:
            self.probe_at = self._refused_at + PROBE

    def _begin(self) -> None:
        self._epoch = next(_EPOCHS)
        self._proven = self._shut = self._probing = False
        self._alone, self._width = 0, 1
        self.probe_at = None
