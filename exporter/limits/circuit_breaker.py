"""Whether calls of one identity may go: a circuit breaker that keeps a key from being locked.

More than five signatures in a row that fail lock a key for five minutes, for all who use it. And a cloud that refuses
everybody for a second must not blind us for longer than that takes to see. So::

    half-open --accepted--> closed: all calls go
    closed --refused--> half-open at once if the renewal brought another key or token, or no poll was refused, else open
    half-open --refused, or nothing came of the probe--> open: no call goes
    open --time--> half-open: one call goes, the probe
    any --the credentials changed--> half-open, or open a while longer

Calls that were under way when the first one was refused say nothing new: a burst of refusals is one event. From then
on each call goes alone, and the wait after each that is refused is twice the one before: half a minute, one, two and
four. So within the five minutes of a lock at most four calls are refused, also where a second one went at once.
After five in a row a probe comes every six minutes, when any lock is over. One rule holds whoever makes the calls and
however the credentials change: a call leaves only if five refusals in a row are not reached even if it and all that
are under way are refused, or if the last refusal was six minutes ago and no other call is under way.
"""

from enum import Enum, auto
from itertools import count
from typing import Final, NamedTuple

FIRST: Final = 30.0
"""Seconds from the first refusal to the probe; twice as long after each that is refused too."""
AGAIN: Final = 60.0
"""Seconds to the next one if nothing came of a probe: no answer, or one that tells nothing of who asked."""
PROBE: Final = 360.0
"""Seconds between two probes once the next refusal could lock the key: a minute longer than it stays locked."""
PATIENCE: Final = 5
"""Refusals in a row that lock nothing yet; the next one would."""
FEW: Final = 4
"""Calls that may go at a time before one was accepted, once one ended without an answer: a cloud that hangs must not
let the jobs wait for each other, and so few that are refused lock nothing."""


_EPOCHS: Final = count()


class Permit(NamedTuple):
    """The right to make one call."""

    epoch: int
    """Number of the circuit's phase, unique over all circuits: it changes with the state. The outcome of a call of an
    earlier phase is ignored."""
    trial: bool
    """Whether it was given in half-open state."""
    probe: bool = False
    """Whether it tries what was refused before."""


class CircuitState(Enum):
    """Which calls may go."""

    CLOSED = auto()
    """All of them: one was accepted."""
    HALF_OPEN = auto()
    """One on trial, and a few more once it ended without an answer."""
    OPEN = auto()
    """None until :attr:`CircuitBreaker.probe_at`."""


class Decision(Enum):
    """What a refused call means."""

    STALE = auto()
    """Nothing new: it was on its way when another one was refused."""
    RENEW = auto()
    """The credentials are to be renewed; no call goes until :meth:`CircuitBreaker.renewed`."""
    PAUSE = auto()
    """No more calls for a while."""


class CircuitBreaker:
    """Lets calls of one identity through, all at once or one alone."""

    def __init__(self) -> None:
        self._epoch = next(_EPOCHS)
        self.state = CircuitState.HALF_OPEN
        self._trials = 0  # calls on trial of this epoch that are under way
        self._trials_under_way = 0  # those of all epochs
        self._most_trials = 1
        self._renewing = False  # the credentials are being renewed
        self._again = False  # whether a refused call that is no poll may be followed by another one at once
        self._probing = False  # whether the next call tries what was refused before
        self._refusals = 0  # since the last call that was accepted; of a burst only the first
        self._events = 0  # the same, where calls that went together count as one
        self._refused_at = float("-inf")
        self.probe_at: float | None = None
        """When the probe may go; ``None`` unless open."""

    @property
    def paused(self) -> bool:
        """Whether it is open."""
        return self.state is CircuitState.OPEN

    @property
    def free(self) -> bool:
        """Whether a call may go now."""
        if self.paused or self._renewing:
            return False
        return self.state is CircuitState.CLOSED or (self._trials < self._most_trials and self._harmless)

    @property
    def _harmless(self) -> bool:
        """Whether one more call locks nothing, even if it and all that are under way are refused."""
        return self._trials_under_way == 0 or self._refusals + self._trials_under_way < PATIENCE

    @property
    def wait(self) -> float:
        """Seconds from the last refusal to the next call that tries."""
        if self._refusals >= PATIENCE:
            return PROBE
        return min(FIRST * 2.0 ** max(self._events - 1, 0), PROBE)

    def enter(self) -> Permit:
        """Let one call go; it ends with :meth:`left`, after what is known of it was told."""
        trial = self.state is not CircuitState.CLOSED
        self._trials += trial
        self._trials_under_way += trial
        return Permit(self._epoch, trial, self._probing)

    def accepted(self, permit: Permit) -> bool:
        """Note that the cloud knew who asked; return whether that is news."""
        if permit.epoch != self._epoch:
            return False
        self._refusals = self._events = 0
        news = self.state is not CircuitState.CLOSED
        self.state, self.probe_at, self._probing = CircuitState.CLOSED, None, False
        return news

    def refused(self, permit: Permit, now: float) -> Decision:
        """Note that the cloud refused who asked."""
        stale = permit.epoch != self._epoch
        if stale and not permit.trial:
            return Decision.STALE
        self._refusals += 1  # each of those on trial is known to have been one of a row
        self._refused_at = now
        if stale:
            self._wait_longer(now)
            return Decision.STALE
        self._events += 1
        self._again, first = self.state is CircuitState.CLOSED, self._refusals == 1
        self._half_open()
        if not first:
            self._open(now + self.wait)
            return Decision.PAUSE
        self._renewing = True
        return Decision.RENEW

    def renewed(self, now: float, *, other: bool, poll: bool = True, refused: bool = False) -> None:
        """Note that the renewal is over: it brought *other* credentials, which are tried at once, or none.

        A refusal of what is no *poll* is not believed before another call is refused too, where calls were accepted
        until then. If the renewal itself was *refused* that counts as one more refusal.
        """
        if refused:
            self._refusals += 1
            self._refused_at = now
        if self._renewing:
            if other:
                self._events = 0  # the waits begin anew with what was not refused yet
            if refused or not (other or (self._again and not poll)):
                self._open(now + self.wait)
        self._renewing = False
        self._wait_longer(now)

    def left(self, permit: Permit, now: float) -> None:
        """Note that a call is over."""
        self._trials_under_way -= permit.trial
        if permit.epoch != self._epoch or not permit.trial or self._renewing:
            return
        self._trials = max(0, self._trials - 1)
        if self.state is CircuitState.CLOSED:
            return
        if permit.probe:
            self._half_open()
            self._open(now + AGAIN)
        self._most_trials = FEW

    def probe(self) -> None:
        """Let one call try, although calls are paused; unless it is accepted they are again."""
        self._half_open()
        self._probing = True

    def changed(self, now: float, *, another: bool = False) -> None:
        """Note that the credentials changed: the next call goes alone, at once if it cannot lock the key.

        If *another* key is in use, what was refused before does not count towards its lock.
        """
        self._half_open()
        if another:
            self._refusals = self._events = 0
        self._wait_longer(now)

    def _wait_longer(self, now: float) -> None:
        """Pause until any lock is over, if one more refusal could bring one."""
        over = self._refused_at + PROBE
        if self._refusals >= PATIENCE and self.state is not CircuitState.CLOSED and now < over:
            self._open(over)

    def _half_open(self) -> None:
        self._epoch = next(_EPOCHS)
        self.state, self.probe_at = CircuitState.HALF_OPEN, None
        self._renewing = self._probing = False
        self._trials, self._most_trials = 0, 1

    def _open(self, until: float) -> None:
        self.state, self.probe_at = CircuitState.OPEN, until
