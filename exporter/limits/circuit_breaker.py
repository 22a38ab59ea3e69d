"""The circuit breaker of one identity: keeps the cloud from locking its key.

After more than five invalid signatures in a row the cloud locks a key for five minutes, for everything that uses it. On
the other hand, a cloud that refuses all calls for a second must not stop polling for longer than it takes to notice.
So::

    half-open --accepted--> closed: all calls are permitted
    closed --refused--> half-open, once the credentials are renewed: one call is permitted; open if the renewal failed
    half-open --refused again, or the probe had no result--> open: no call is permitted
    open --time--> half-open: one call is permitted, the probe
    half-open --so many calls were under way and refused that the next could lock the key--> open
    any --the credentials changed--> half-open, or open a while longer

A burst of refusals, of calls that were already under way when the first one was refused, is answered once: by one
renewal and by calls that are made one at a time. The second refusal opens the circuit for half a minute, and each
refused probe opens it for longer. But the cloud counts each refusal of the burst. Where the next call could be the one
that locks the key, the circuit opens before it, for six minutes from the last refusal. A burst of more than five has
locked the key by itself, if anything does, and postpones nothing. If calls were accepted amid the burst, nobody knows
how many refusals came in a row: it takes five more for each of them. Only refusals that were answered are known: the
first call after a refusal does not wait for those under way, and can lock the key together with them.

A refusal may concern only one caller, a job or a list. This is assumed if other calls were accepted since the caller's
last refusal, or before its first one. Such a refusal counts as one in a row, but opens the circuit only as the third.

After five refusals in a row a probe is made every six minutes, when any lock has expired. One rule holds whoever makes
the calls and however the credentials change. Once a call was refused, another one is permitted only if it cannot be the
sixth refusal in a row, counting those that are known and all calls permitted since the first one; or if the last
refusal was six minutes ago and none of these calls is under way. Only a burst of more than five is not counted.
"""

import math
from collections.abc import Collection, Hashable
from enum import Enum, auto
from itertools import count
from typing import Final, NamedTuple

WAITS: Final = (30.0, 60.0, 210.0)
"""Seconds to the probe when refusals open it, the first time and each time after it."""
AGAIN: Final = 60.0
"""Seconds to the next one if nothing came of a probe: no answer, or one that tells nothing of who asked."""
PROBE: Final = 360.0
"""Seconds between two probes once the next refusal could lock the key: a minute longer than it stays locked."""
PATIENCE: Final = 5
"""Refusals in a row that lock nothing yet; the next one would."""
ENOUGH: Final = 3
"""Refusals in a row that pause the calls, whoever made them."""
FEW: Final = 4
"""Calls that may be under way together in half-open state once one has ended without an answer: if the cloud hangs,
jobs must not wait for each other, and so few refusals lock no key."""


_EPOCHS: Final = count()


class Permit(NamedTuple):
    """That the circuit breaker lets one call through; with the call's share of the rate limit it is a ``Grant``."""

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
    ALONE = auto()
    """Nothing about other callers."""
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
        self._renewing: Hashable = None  # whose refusal has the credentials renewed now
        self._renewed = False  # whether they were since the last call that was accepted
        self._probing = False  # whether the next call tries what was refused before
        self._refusals = 0  # since the last call that was accepted; of a burst only the first
        self._late = 0  # the others of a burst
        self._accepted_late = 0  # calls of before the first refusal that were accepted after it
        self._opened = 0  # how often refusals opened it since that one
        self._era = 0  # grows when a call is accepted after others were refused; 0 until the first one is
        # the era in which each caller was refused since its last call that was accepted; infinity if it was not
        self._seen: dict[Hashable, float] = {}
        self._refused_at = float("-inf")
        self._until = float("-inf")  # to when it is open, if the next refusal locks nothing
        self._key_since = self._epoch  # the first epoch in which the key in use was

    @property
    def paused(self) -> bool:
        """Whether it is open."""
        return self.state is CircuitState.OPEN

    @property
    def free(self) -> bool:
        """Whether a call may go now."""
        if self._renewing is not None or self.state is CircuitState.OPEN:
            return False
        return self.state is CircuitState.CLOSED or (
            self._trials < self._most_trials and not (self._trials_under_way and self._may_lock(self._trials_under_way))
        )

    @property
    def probe_at(self) -> float | None:
        """When the probe may go; ``None`` unless open. What was under way at the first refusal can still move it."""
        if not self.paused:
            return None
        return max(self._until, self._refused_at + PROBE) if self._may_lock(0) else self._until

    def wait(self, now: float) -> float:
        """Return the seconds to the probe, 0 unless open."""
        return 0.0 if self.probe_at is None else max(0.0, self.probe_at - now)

    def _may_lock(self, others: int) -> bool:
        """Whether one more refusal could lock the key, if the *others* that are under way are refused before it.

        A burst that has surely locked the key already is not counted.
        """
        known, rows = self._refusals + self._late, 1 + self._accepted_late
        locked = known > PATIENCE * rows  # at least one of the rows had more than five
        if locked and self._refusals + others < PATIENCE:
            return False
        return known + others >= PATIENCE

    def enter(self) -> Permit:
        """Let one call go; it ends with :meth:`left`, after its outcome was reported."""
        trial = self.state is not CircuitState.CLOSED
        if trial and self._may_lock(0):  # it waited for that: from now on each one does
            self._refusals, self._late, self._accepted_late = max(self._refusals, PATIENCE), 0, 0
        self._trials += trial
        self._trials_under_way += trial
        return Permit(self._epoch, trial, self._probing)

    def accepted(self, permit: Permit, caller: Hashable) -> bool:
        """Note that the cloud knew who asked; return whether that is news."""
        self._seen[caller] = math.inf
        if permit.epoch != self._epoch:
            self._accepted_late += self._refusals + self._late > 0
            self._pause_before_a_lock(self._refused_at)
            return False
        if self._refusals or not self._era:
            self._era += 1
        self._forget_refusals()
        news = self.state is not CircuitState.CLOSED
        self.state, self._probing = CircuitState.CLOSED, False
        return news

    def refused(self, permit: Permit, caller: Hashable, now: float) -> Decision:
        """Note that the cloud refused who asked."""
        alone = self._seen.get(caller, 0) < self._era
        if not alone:
            self._seen[caller] = self._era
        stale = permit.epoch != self._epoch
        if permit.epoch >= self._key_since:
            self._refused_at = now
            if stale and not permit.trial:  # each of those on trial is known to have been one of a row
                self._late += 1
            else:
                self._refusals += 1
        if stale:
            self._pause_before_a_lock(now)
            return Decision.ALONE if alone else Decision.STALE
        self._half_open()
        if alone and self._refusals < ENOUGH:
            self._pause_before_a_lock(now)
            return Decision.ALONE
        if not (alone or self._renewed):
            self._renewed, self._renewing = True, caller
            return Decision.RENEW
        self._open_longer(now)
        return Decision.PAUSE

    def renewed(self, now: float, *, other: bool, failed: bool = False, refused: bool = False) -> None:
        """Note that the renewal is over: it brought *other* credentials or none, or *failed*.

        The next call goes alone. If it is the same one with other credentials, its refusal may be meant for it alone.
        If the renewal itself was *refused* that counts as one more refusal.
        """
        if refused:
            self._refusals += 1
            self._refused_at = now
        if self._renewing is not None:
            if other:
                self._seen[self._renewing] = -1
            if failed or (self._refusals >= ENOUGH and not other):
                self._open_longer(now)
        self._renewing = None
        self._pause_before_a_lock(now)

    def left(self, permit: Permit, now: float) -> None:
        """Note that a call is over."""
        self._trials_under_way -= permit.trial
        if permit.epoch != self._epoch or not permit.trial or self._renewing is not None:
            return
        self._trials = max(0, self._trials - 1)
        if self.state is CircuitState.CLOSED:
            return
        if permit.probe:
            self._half_open()
            self._open(now + AGAIN)
        self._most_trials = FEW

    def probe(self) -> None:
        """Let one call try, although calls are paused; unless it is accepted they are paused again."""
        self._half_open()
        self._probing = True

    def changed(self, now: float, *, another: bool = False) -> None:
        """Note that the credentials changed: the next call goes alone, at once if it cannot lock the key.

        If *another* key is in use, what was refused before does not count towards its lock.
        """
        self._half_open()
        if another:
            self._forget_refusals()
            self._key_since = self._epoch
        self._pause_before_a_lock(now)

    def forget(self, callers: Collection[Hashable]) -> None:
        """Forget callers that are gone."""
        for caller in callers:
            self._seen.pop(caller, None)

    def _forget_refusals(self) -> None:
        self._refusals = self._late = self._accepted_late = self._opened = 0
        self._renewed = False

    def _pause_before_a_lock(self, now: float) -> None:
        """Pause until any lock is over, if one more refusal could bring one."""
        waits = self.state is CircuitState.HALF_OPEN and self._renewing is None
        if waits and self._may_lock(0) and now < self._refused_at + PROBE:
            self._open(now)

    def _open_longer(self, now: float) -> None:
        self._opened += 1
        self._open(now + WAITS[min(self._opened, len(WAITS)) - 1])

    def _half_open(self) -> None:
        self._epoch = next(_EPOCHS)
        self.state = CircuitState.HALF_OPEN
        self._renewing, self._probing = None, False
        self._trials, self._most_trials = 0, 1

    def _open(self, until: float) -> None:
        self.state, self._until = CircuitState.OPEN, until
