"""The circuit breaker that keeps a key from being locked, against a key that locks."""

import random
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.limits.circuit_breaker import (
    AGAIN,
    ENOUGH,
    FEW,
    PATIENCE,
    PROBE,
    WAITS,
    CircuitBreaker,
    CircuitState,
    Decision,
    Permit,
)

FIRST = WAITS[0]
IN_A_ROW = [0, 0, 30, 90, 300, 300 + PROBE, 300 + 2 * PROBE]
"""When calls of a key go that are all refused."""


def take(circuit: CircuitBreaker, now: float = 0, caller: str = "one") -> bool:
    """Let one call go and be taken; return whether that was news."""
    permit = circuit.enter()
    news = circuit.accepted(permit, caller)
    circuit.left(permit, now)
    return news


def closed() -> CircuitBreaker:
    circuit = CircuitBreaker()
    take(circuit)
    return circuit


def refuse(circuit: CircuitBreaker, now: float, *, other: bool = False, caller: str = "one") -> Decision:
    """Let one call go and be refused; the renewal brings *other* credentials or none."""
    permit = circuit.enter()
    decision = circuit.refused(permit, caller, now)
    if decision is Decision.RENEW:
        circuit.renewed(now, other=other)
    circuit.left(permit, now)
    return decision


def opened() -> CircuitBreaker:
    """Return a circuit that was refused at 0 twice, and whose key is the same after the renewal."""
    circuit = closed()
    refuse(circuit, 0)
    refuse(circuit, 0)
    return circuit


def probe_moments(circuit: CircuitBreaker, number: int) -> list[float]:
    """Return when the next probes go, each of them refused."""
    moments = []
    for _ in range(number):
        assert circuit.probe_at is not None
        moments.append(circuit.probe_at)
        circuit.probe()
        assert refuse(circuit, moments[-1]) is Decision.PAUSE
    return moments


def test_the_first_call_goes_alone_and_the_others_follow_when_it_was_taken() -> None:
    circuit = CircuitBreaker()
    permit = circuit.enter()

    assert not circuit.free
    assert circuit.accepted(permit, "one")
    assert circuit.free
    circuit.enter()
    assert circuit.free


def test_a_call_of_which_nothing_came_lets_a_few_go_so_that_jobs_do_not_wait_for_a_cloud_that_hangs() -> None:
    circuit = CircuitBreaker()
    circuit.left(circuit.enter(), 0)
    permits = [circuit.enter() for _ in range(FEW)]

    assert not circuit.free
    assert circuit.refused(permits[0], "one", 1) is Decision.RENEW
    circuit.renewed(1, other=True)
    circuit.enter()
    assert not circuit.free


def test_a_key_that_is_refused_twice_is_tried_less_and_less_often_and_then_every_six_minutes() -> None:
    assert probe_moments(opened(), 5) == IN_A_ROW[2:]


@pytest.mark.parametrize("fresh", [True, False])
def test_one_refusal_pauses_nothing_and_the_second_pauses_all(fresh: bool) -> None:
    circuit = CircuitBreaker() if fresh else closed()

    assert refuse(circuit, 0) is Decision.RENEW
    assert circuit.free
    assert refuse(circuit, 0) is Decision.PAUSE
    assert not circuit.free


def test_a_caller_that_is_refused_while_others_are_accepted_pauses_nothing_however_often() -> None:
    circuit = closed()
    take(circuit, caller="bad")
    assert refuse(circuit, 0, caller="bad") is Decision.RENEW
    for now in range(1, 1000):
        take(circuit)
        assert refuse(circuit, now, caller="bad") is Decision.ALONE
        assert circuit.free


def test_callers_that_were_never_accepted_pause_nothing_while_another_one_is() -> None:
    circuit = closed()
    for now in range(100):
        for _ in range(ENOUGH - 1):
            assert refuse(circuit, now, caller=f"bad {now % 40}") is Decision.ALONE
            assert circuit.free
        take(circuit)


def test_a_token_that_is_renewed_and_refused_to_the_same_caller_pauses_nothing_before_another_one_is_refused() -> None:
    circuit = closed()

    assert refuse(circuit, 0, other=True) is Decision.RENEW
    assert refuse(circuit, 0) is Decision.ALONE
    assert circuit.free
    assert refuse(circuit, 0, caller="two") is Decision.PAUSE


def test_callers_that_are_refused_for_themselves_count_towards_the_lock() -> None:
    circuit = closed()
    moments = []
    for now in range(2000):
        if circuit.probe_at is not None and now >= circuit.probe_at:
            circuit.probe()
        if circuit.free:
            refuse(circuit, now, caller=f"bad {now}")
            moments.append(now)

    assert len(moments) > PATIENCE
    assert all(later - earlier >= PROBE for earlier, later in pairwise(moments[PATIENCE - 1 :]))


def test_the_only_caller_of_a_key_is_believed_the_second_time() -> None:
    circuit = closed()

    assert refuse(circuit, 0) is Decision.RENEW
    assert refuse(circuit, 30) is Decision.PAUSE


def test_a_caller_that_is_gone_is_forgotten() -> None:
    circuit = closed()
    circuit.forget(["one"])

    assert refuse(circuit, 0) is Decision.ALONE


def test_a_burst_of_refusals_is_one_event() -> None:
    circuit = closed()
    permits = [circuit.enter() for _ in range(32)]
    for number in range(32):
        circuit.accepted(circuit.enter(), number)
    verdicts = [circuit.refused(permit, number, 0.1 * number) for number, permit in enumerate(permits)]

    assert verdicts == [Decision.RENEW] + [Decision.STALE] * 31
    circuit.renewed(4, other=False)
    assert refuse(circuit, 4, caller="31") is Decision.ALONE
    assert refuse(circuit, 4) is Decision.PAUSE
    assert circuit.probe_at == 4 + FIRST
    circuit.probe()
    assert circuit.accepted(circuit.enter(), "one")
    assert circuit.free


@pytest.mark.parametrize("early", [True, False], ids=["before the pause", "after it"])
@pytest.mark.parametrize(
    ("late", "moments"),
    [
        (1, [0, 30, 90, 90 + PROBE, 90 + 2 * PROBE]),
        (2, [0, 30, 30 + PROBE, 30 + 2 * PROBE]),
        (3, [0, PROBE, 2 * PROBE]),
        (4, [0, 30, 90, 300, 300 + PROBE]),
    ],
)
def test_a_burst_counts_for_the_probe_that_could_lock_the_key_unless_it_has_locked_it_with_the_call_on_its_way(
    late: int, moments: list[float], early: bool
) -> None:
    circuit = closed()
    first, *others = [circuit.enter() for _ in range(1 + late)]
    circuit.refused(first, "one", 0)
    circuit.renewed(0, other=False)
    alone = circuit.enter()
    for permit in [*others, alone] if early else [alone, *others]:
        circuit.refused(permit, "one", 0)
        circuit.left(permit, 0)
    tried = [0.0]
    while len(tried) < len(moments):
        assert circuit.probe_at is not None
        at = circuit.probe_at
        circuit.probe()
        if circuit.free:
            tried.append(at)
            refuse(circuit, at)

    assert tried == moments


class Vendor:
    """Counts the refusals of a key in a row as the vendor does, and locks it."""

    def __init__(self) -> None:
        self.row, self.last, self.locked_until = 0, 0.0, 0.0

    def refuse(self, now: float) -> None:
        if now < self.locked_until:
            return
        self.row, self.last = self.row + 1, now
        if self.row > PATIENCE:
            self.row, self.locked_until = 0, now + 300

    def next_locks(self, now: float) -> bool:
        return self.row == PATIENCE and now < self.last + PROBE


class Burst:
    """Calls that are under way together at 0, then single ones that are all refused.

    *counted* is what the vendor answers, in the order in which it counts; *answered* is the order of the answers.
    """

    def __init__(self, counted: str, answered: list[bool], *, alone: bool) -> None:
        self.circuit, self.vendor, self.alone = closed(), Vendor(), alone
        self.calls = [(self.circuit.enter(), good, number) for number, good in enumerate(answered)]
        self.single: Permit | None = None
        self.singles = list[float]()
        for call in counted:
            self.vendor.row = 0 if call == "A" else self.vendor.row
            if call == "R":
                self.vendor.refuse(0)

    def caller(self, number: int) -> str:
        return f"job {number}" if self.alone else "one"

    def refuse(self, permit: Permit, number: int, now: float) -> None:
        if self.circuit.refused(permit, self.caller(number), now) is Decision.RENEW:
            self.circuit.renewed(now, other=False)
        self.circuit.left(permit, now)

    def answer(self, now: float) -> None:
        """Let the first call of the burst that is left be answered."""
        permit, good, number = self.calls.pop(0)
        if good:
            self.circuit.accepted(permit, f"another {number}")
            self.circuit.left(permit, now)
        else:
            self.refuse(permit, number, now)

    def go(self, now: float) -> None:
        """Let a single call go if one may; after the last answer of the burst it must not be the one that locks."""
        probe_at = self.circuit.probe_at
        if probe_at is not None and now >= probe_at:
            self.circuit.probe()
        if self.single is None and self.circuit.free:
            assert self.calls or not self.vendor.next_locks(now)
            self.single = self.circuit.enter()
            self.singles.append(now)

    def end(self, now: float) -> None:
        """Let the single call that is under way be refused."""
        if self.single is not None:
            permit, self.single = self.single, None
            self.vendor.refuse(now)
            self.refuse(permit, 100 + len(self.singles), now)


def orders(counted: str) -> list[list[bool]]:
    """Return in which orders answers may come: one that says no is the first, for else the burst begins later."""
    found = [call == "A" for call in counted]
    found.remove(False)
    return [[False, *found], [False, *sorted(found)], [False, *sorted(found, reverse=True)]]


@pytest.mark.parametrize("alone", [False, True], ids=["one caller", "callers that were never accepted"])
@pytest.mark.parametrize("number", range(1, 9))
def test_no_single_call_after_a_burst_is_the_refusal_that_locks_the_key(number: int, alone: bool) -> None:
    """Whatever was accepted amid the burst, wherever the vendor counted it, and whenever the first single call left."""
    for counted in ("".join(calls) for calls in product("AR", repeat=number) if "R" in calls):
        for answered, leaves in product(orders(counted), range(1, number + 1)):
            burst = Burst(counted, answered, alone=alone)
            for place in range(1, number + 1):
                burst.answer(0)
                if place >= leaves:
                    burst.go(0)
            for now in range(0, 3000, 10):
                burst.end(now)
                burst.go(now)
            assert len(burst.singles) > PATIENCE


@pytest.mark.parametrize("leaves", ["first", "last"])
@pytest.mark.parametrize("number", [*range(1, 14), 32])
def test_a_cloud_that_refuses_everybody_for_a_second_pauses_calls_for_long_only_where_the_next_could_lock(
    number: int, leaves: str
) -> None:
    burst = Burst("R" * number, [False] * number, alone=False)
    burst.answer(0)
    if leaves == "first":
        burst.go(0)
        burst.end(0)
    while burst.calls:
        burst.answer(1)
    burst.go(1)
    burst.end(1)

    waits = burst.vendor.next_locks(2)
    assert (burst.circuit.wait(1) <= FIRST) is not waits
    burst.go(1 + (PROBE if waits else FIRST))
    assert burst.single is not None
    assert burst.circuit.accepted(burst.single, "one")
    assert burst.circuit.free


def test_a_pause_is_over_at_once_when_a_further_refusal_shows_that_the_burst_has_locked_the_key() -> None:
    circuit = closed()
    permits = [circuit.enter() for _ in range(6)]
    for number, permit in enumerate(permits[:5]):
        if circuit.refused(permit, "one", number) is Decision.RENEW:
            circuit.renewed(0, other=False)
    assert circuit.wait(4) == PROBE

    circuit.refused(permits[5], "one", 5)
    assert circuit.wait(5) == 0
    assert circuit.paused


def test_a_call_that_is_accepted_after_a_burst_leaves_no_single_call_that_could_lock_the_key() -> None:
    """The row may have begun anew at it, so that five of the six refusals were in a row."""
    circuit = closed()
    permits = [circuit.enter() for _ in range(7)]
    for permit in permits[:6]:
        circuit.refused(permit, "one", 1)
    circuit.renewed(2, other=True)
    assert circuit.free
    circuit.accepted(permits[6], "another")

    assert not circuit.free
    assert circuit.probe_at == 1 + PROBE


def test_what_was_under_way_during_the_renewal_counts_when_it_is_over() -> None:
    circuit = closed()
    permits = [circuit.enter() for _ in range(5)]
    for permit in permits:
        circuit.refused(permit, "one", 1)
    assert not circuit.paused
    circuit.renewed(2, other=True)

    assert circuit.probe_at == 1 + PROBE


def test_calls_of_the_key_before_count_nothing_towards_the_lock_of_another() -> None:
    circuit = closed()
    permits = [circuit.enter() for _ in range(5)]
    circuit.changed(1, another=True)
    for permit in permits:
        circuit.refused(permit, "one", 1)

    assert circuit.free


def test_calls_that_went_together_are_no_more_than_lock_nothing_after_a_burst() -> None:
    circuit = closed()
    permits = [circuit.enter() for _ in range(3)]
    for permit in permits:
        if circuit.refused(permit, "one", 0) is Decision.RENEW:
            circuit.renewed(0, other=True)
    circuit.left(circuit.enter(), 1)
    together = 0
    while circuit.free:
        circuit.enter()
        together += 1

    assert len(permits) + together == PATIENCE


def test_new_credentials_wait_until_they_lock_nothing_after_a_burst() -> None:
    circuit = closed()
    first, *others = [circuit.enter() for _ in range(4)]
    circuit.refused(first, "one", 0)
    circuit.renewed(0, other=False)
    refuse(circuit, 0)
    for permit in others:
        circuit.refused(permit, "one", 5)

    circuit.changed(20)
    assert circuit.probe_at == 5 + PROBE
    circuit.changed(30, another=True)
    assert circuit.free


def test_other_credentials_are_tried_at_once_and_once_only() -> None:
    circuit = closed()
    take(circuit, caller="two")
    assert refuse(circuit, 0, other=True) is Decision.RENEW
    assert circuit.free

    assert refuse(circuit, 1, other=True, caller="two") is Decision.PAUSE
    assert circuit.probe_at == 1 + FIRST


def test_a_probe_of_which_nothing_came_leaves_the_calls_paused() -> None:
    circuit = opened()
    circuit.probe()
    circuit.left(circuit.enter(), 500)

    assert circuit.probe_at == 500 + AGAIN
    assert not circuit.free


def test_a_renewal_that_is_refused_counts_and_pauses_without_another_call() -> None:
    circuit = closed()
    circuit.refused(circuit.enter(), "one", 0)
    circuit.renewed(3, other=False, failed=True, refused=True)

    assert probe_moments(circuit, 4) == [33, 93, 303, 303 + PROBE]


def test_a_renewal_that_fails_leaves_the_calls_paused() -> None:
    circuit = closed()
    circuit.refused(circuit.enter(), "one", 0)
    circuit.renewed(3, other=False, failed=True)

    assert circuit.probe_at == 33


def test_after_five_refusals_in_a_row_calls_are_rare_whoever_changes_the_credentials() -> None:
    circuit = opened()
    fifth = probe_moments(circuit, 3)[-1]

    circuit.changed(fifth + 10)
    assert circuit.probe_at == fifth + PROBE
    circuit.changed(fifth + PROBE)
    assert circuit.free
    take(circuit)
    assert circuit.refused(circuit.enter(), "one", 2000) is Decision.RENEW


def test_another_key_has_a_row_of_its_own() -> None:
    circuit = opened()
    probe_moments(circuit, 3)
    circuit.changed(310, another=True)

    assert circuit.free
    assert refuse(circuit, 310) is Decision.RENEW
    assert refuse(circuit, 310) is Decision.PAUSE
    assert circuit.probe_at == 310 + FIRST


def test_a_call_that_is_taken_ends_the_row() -> None:
    circuit = opened()
    probe_moments(circuit, 2)
    circuit.probe()
    take(circuit)
    refuse(circuit, 1000)
    refuse(circuit, 1000)

    assert probe_moments(circuit, 5) == [1000 + moment for moment in IN_A_ROW[2:]]


def test_a_refusal_shuts_the_gate_until_the_renewal_is_over_and_then_one_goes_alone() -> None:
    circuit = closed()
    permit = circuit.enter()

    assert circuit.refused(permit, "one", 0) is Decision.RENEW
    circuit.left(permit, 0)
    assert not circuit.free
    circuit.renewed(0, other=True)
    again = circuit.enter()
    assert not circuit.free
    assert circuit.accepted(again, "one")
    assert circuit.free


def test_what_was_on_its_way_says_nothing_new() -> None:
    circuit = closed()
    first, late, lucky = circuit.enter(), circuit.enter(), circuit.enter()
    circuit.refused(first, "one", 0)
    circuit.renewed(0, other=False)
    alone = circuit.enter()

    assert circuit.refused(late, "one", 0) is Decision.STALE
    assert not circuit.accepted(lucky, "two")
    circuit.left(late, 0)
    assert not circuit.free
    assert circuit.refused(alone, "two", 0) is Decision.PAUSE


def test_a_probe_goes_alone_and_is_known_as_one() -> None:
    circuit = opened()
    circuit.probe()
    permit = circuit.enter()

    assert permit.probe
    assert not circuit.free
    assert circuit.refused(permit, "one", FIRST) is Decision.PAUSE
    circuit.probe()
    assert circuit.accepted(circuit.enter(), "one")
    assert not circuit.enter().probe


def test_credentials_that_changed_while_they_are_renewed_are_tried() -> None:
    circuit = closed()
    circuit.refused(circuit.enter(), "one", 0)
    circuit.changed(1)
    circuit.renewed(2, other=False)

    assert circuit.free


def test_calls_that_went_together_before_any_was_taken_all_count() -> None:
    circuit = opened()
    circuit.changed(10)
    circuit.left(circuit.enter(), 20)
    together = []
    while circuit.free:
        together.append(circuit.enter())
    for permit in together:
        circuit.refused(permit, "one", 30)

    assert 2 + len(together) == PATIENCE
    assert circuit.probe_at == 30 + PROBE
    circuit.changed(40)
    assert circuit.probe_at == 30 + PROBE


def test_changes_of_the_credentials_let_no_more_calls_go_than_lock_nothing() -> None:
    circuit, flying = CircuitBreaker(), []
    for now in range(20):
        circuit.changed(now)
        if circuit.free:
            flying.append(circuit.enter())

    assert len(flying) == PATIENCE
    for permit in flying:
        circuit.refused(permit, "one", 20)
        circuit.left(permit, 20)
    circuit.changed(21)
    assert circuit.probe_at == 20 + PROBE


class Key:
    """A circuit before a key, and what the vendor counts of it; a burst counts once."""

    def __init__(self, seed: int, places: int) -> None:
        self.rng, self.places = random.Random(seed), places
        self.circuit, self.flying, self.now = CircuitBreaker(), list[Permit](), 0.0
        self.row, self.last = 0, float("-inf")

    def fill(self) -> None:
        """Let all go that may; a refusal that would lock the key needs that any lock is over."""
        while self.circuit.free and len(self.flying) < self.places:
            alone = sum(permit.trial for permit in self.flying)
            self.flying.append(self.circuit.enter())
            if self.flying[-1].trial and self.row + alone >= PATIENCE:
                assert alone == 0
                assert self.now - self.last >= PROBE - 1e-6
        assert self.flying or self.circuit.probe_at is not None

    def step(self, cloud: str) -> None:
        """Let the probe come, or one of the calls be answered."""
        if self.circuit.probe_at is not None and self.now >= self.circuit.probe_at:
            self.circuit.probe()
        self.fill()
        if not self.flying:
            self.now = max(self.now, self.circuit.probe_at or self.now)
            return
        permit = self.flying.pop(self.rng.randrange(len(self.flying)))
        self.now += self.rng.choice([0.0, 0.1, 5.0])
        if cloud == "good" and self.circuit.accepted(permit, self.rng.randrange(self.places)):
            self.row = 0
        if cloud == "bad":
            self.refuse(permit)
        self.circuit.left(permit, self.now)

    def refuse(self, permit: Permit) -> None:
        closed = self.circuit.state is CircuitState.CLOSED
        decision = self.circuit.refused(permit, self.rng.randrange(self.places), self.now)
        if permit.trial or (closed and self.circuit.state is not CircuitState.CLOSED):
            self.row, self.last = self.row + 1, self.now
        if decision is Decision.RENEW:
            self.circuit.renewed(self.now, other=self.rng.random() < 0.3)


@given(
    seed=st.integers(0, 2**32),
    places=st.integers(1, 32),
    spells=st.lists(
        st.tuples(st.sampled_from(["good", "bad", "silent"]), st.booleans(), st.floats(0.1, 700)),
        min_size=1,
        max_size=60,
    ),
)
@settings(deadline=None)
def test_a_key_is_locked_by_nothing_but_calls_that_were_on_their_way(
    seed: int, places: int, spells: list[tuple[str, bool, float]]
) -> None:
    """Spells in which the cloud takes, refuses or says nothing; before each the credentials may become others."""
    key = Key(seed, places)
    for cloud, other, seconds in spells:
        end = key.now + seconds
        if other:
            key.circuit.changed(key.now)
        while key.now < end:
            key.step(cloud)


@pytest.mark.parametrize("hiccup", [1.5, 10, 29])
def test_a_cloud_that_refuses_everybody_for_seconds_costs_half_a_minute(hiccup: float) -> None:
    circuit = closed()
    for number, permit in enumerate([circuit.enter() for _ in range(13)]):
        if circuit.refused(permit, "one", hiccup * number / 13) is Decision.RENEW:
            circuit.renewed(0, other=False)
            refuse(circuit, 0)

    assert circuit.probe_at == FIRST
    circuit.probe()
    circuit.accepted(circuit.enter(), "one")
    assert circuit.free


@given(st.integers(1, 3600))
def test_a_key_that_works_again_is_found_within_six_minutes(outage: int) -> None:
    circuit = opened()
    while circuit.probe_at is not None and circuit.probe_at < outage:
        probe_moments(circuit, 1)

    assert circuit.probe_at is not None
    assert circuit.probe_at - outage <= min(max(FIRST, 3 * outage), PROBE)
