"""The circuit breaker that keeps a key from being locked, against a key that locks."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.limits.circuit_breaker import AGAIN, FEW, FIRST, PATIENCE, PROBE, CircuitBreaker, Ticket, Verdict


def take(gate: CircuitBreaker, now: float = 0) -> bool:
    """Let one call go and be taken; return whether that was news."""
    ticket = gate.enter()
    news = gate.taken(ticket)
    gate.left(ticket, now)
    return news


def closed() -> CircuitBreaker:
    gate = CircuitBreaker()
    take(gate)
    return gate


def refuse(gate: CircuitBreaker, now: float, *, other: bool = False, poll: bool = True) -> Verdict:
    """Let one call go and be refused; the renewal brings *other* credentials or none."""
    ticket = gate.enter()
    verdict = gate.refused(ticket, now)
    if verdict is Verdict.RENEW:
        gate.renewed(now, other=other, poll=poll)
    gate.left(ticket, now)
    return verdict


def opened() -> CircuitBreaker:
    """Return a gate that was refused at 0, and whose key is the same after the renewal."""
    gate = closed()
    refuse(gate, 0)
    return gate


def probe_moments(gate: CircuitBreaker, number: int) -> list[float]:
    """Return when the next probes go, each of them refused."""
    moments = []
    for _ in range(number):
        assert gate.probe_at is not None
        moments.append(gate.probe_at)
        gate.probe()
        assert refuse(gate, moments[-1]) is Verdict.PAUSE
    return moments


def test_the_first_call_goes_alone_and_the_others_follow_when_it_was_taken() -> None:
    gate = CircuitBreaker()
    ticket = gate.enter()

    assert not gate.free
    assert gate.taken(ticket)
    assert gate.free
    gate.enter()
    assert gate.free


def test_a_call_of_which_nothing_came_lets_a_few_go_so_that_jobs_do_not_wait_for_a_cloud_that_hangs() -> None:
    gate = CircuitBreaker()
    gate.left(gate.enter(), 0)
    tickets = [gate.enter() for _ in range(FEW)]

    assert not gate.free
    assert gate.refused(tickets[0], 1) is Verdict.RENEW
    gate.renewed(1, other=True)
    gate.enter()
    assert not gate.free


def test_a_key_that_is_refused_is_tried_after_half_a_minute_one_two_and_four_and_then_every_six() -> None:
    moments = probe_moments(opened(), 6)

    assert moments == [30, 90, 210, 450, 450 + PROBE, 450 + 2 * PROBE]


def test_a_burst_of_refusals_is_one_event() -> None:
    gate = closed()
    tickets = [gate.enter() for _ in range(32)]
    verdicts = [gate.refused(ticket, 0.1 * number) for number, ticket in enumerate(tickets)]

    assert verdicts == [Verdict.RENEW] + [Verdict.STALE] * 31
    gate.renewed(4, other=False)
    assert gate.probe_at == 4 + FIRST
    gate.probe()
    assert gate.taken(gate.enter())
    assert gate.free


def test_other_credentials_are_tried_at_once_and_once_only() -> None:
    gate = closed()
    assert refuse(gate, 0, other=True) is Verdict.RENEW
    assert gate.free

    assert refuse(gate, 1, other=True) is Verdict.PAUSE
    assert gate.probe_at == 1 + FIRST


def test_a_probe_of_which_nothing_came_leaves_the_calls_paused() -> None:
    gate = opened()
    gate.probe()
    gate.left(gate.enter(), 500)

    assert gate.probe_at == 500 + AGAIN
    assert not gate.free


def test_a_renewal_that_is_refused_counts_and_pauses_without_another_call() -> None:
    gate = closed()
    gate.refused(gate.enter(), 0)
    gate.renewed(3, other=False, refused=True)

    assert probe_moments(gate, 4) == [33, 93, 213, 213 + PROBE]


def test_after_five_refusals_in_a_row_calls_are_rare_whoever_changes_the_credentials() -> None:
    gate = opened()
    probe_moments(gate, 4)

    gate.changed(460)
    assert gate.probe_at == 450 + PROBE
    gate.changed(450 + PROBE)
    assert gate.free
    take(gate)
    assert gate.refused(gate.enter(), 2000) is Verdict.RENEW


def test_another_key_has_a_row_of_its_own() -> None:
    gate = opened()
    probe_moments(gate, 4)
    gate.changed(460, another=True)

    assert gate.free
    assert refuse(gate, 460) is Verdict.RENEW
    assert gate.probe_at == 460 + FIRST


def test_a_call_that_is_taken_ends_the_row() -> None:
    gate = opened()
    probe_moments(gate, 3)
    gate.probe()
    take(gate)
    refuse(gate, 1000)

    assert probe_moments(gate, 5) == [1030, 1090, 1210, 1450, 1450 + PROBE]


def test_a_refusal_shuts_the_gate_until_the_renewal_is_over_and_then_one_goes_alone() -> None:
    gate = closed()
    ticket = gate.enter()

    assert gate.refused(ticket, 0) is Verdict.RENEW
    gate.left(ticket, 0)
    assert not gate.free
    gate.renewed(0, other=True)
    again = gate.enter()
    assert not gate.free
    assert gate.taken(again)
    assert gate.free


def test_what_was_on_its_way_says_nothing_new() -> None:
    gate = closed()
    first, late, lucky = gate.enter(), gate.enter(), gate.enter()
    gate.refused(first, 0)
    gate.renewed(0, other=True)
    alone = gate.enter()

    assert gate.refused(late, 0) is Verdict.STALE
    assert not gate.taken(lucky)
    gate.left(late, 0)
    assert not gate.free
    assert gate.refused(alone, 0) is Verdict.PAUSE


def test_a_probe_goes_alone_and_is_known_as_one() -> None:
    gate = opened()
    gate.probe()
    ticket = gate.enter()

    assert ticket.probe
    assert not gate.free
    assert gate.refused(ticket, FIRST) is Verdict.PAUSE
    gate.probe()
    assert gate.taken(gate.enter())
    assert not gate.enter().probe


def test_credentials_that_changed_while_they_are_renewed_are_tried() -> None:
    gate = closed()
    gate.refused(gate.enter(), 0)
    gate.changed(1)
    gate.renewed(2, other=False)

    assert gate.free


def test_a_call_that_is_no_poll_is_believed_once_the_next_one_is_refused_too_and_its_refusal_counts() -> None:
    gate = closed()

    assert refuse(gate, 0, poll=False) is Verdict.RENEW
    assert gate.free
    assert refuse(gate, 0) is Verdict.PAUSE
    assert gate.probe_at == 60
    assert probe_moments(gate, 4) == [60, 180, 420, 420 + PROBE]


def test_before_any_call_was_taken_every_refusal_is_believed() -> None:
    gate = CircuitBreaker()

    assert refuse(gate, 0, poll=False) is Verdict.RENEW
    assert probe_moments(gate, 5) == [30, 90, 210, 450, 450 + PROBE]


def test_calls_that_went_together_before_any_was_taken_all_count() -> None:
    gate = opened()
    gate.changed(10)
    gate.left(gate.enter(), 20)
    together = []
    while gate.free:
        together.append(gate.enter())
    for ticket in together:
        gate.refused(ticket, 30)

    assert 1 + len(together) == PATIENCE
    assert gate.probe_at == 30 + PROBE
    gate.changed(40)
    assert gate.probe_at == 30 + PROBE


def test_changes_of_the_credentials_let_no_more_calls_go_than_lock_nothing() -> None:
    gate, flying = CircuitBreaker(), []
    for now in range(20):
        gate.changed(now)
        if gate.free:
            flying.append(gate.enter())

    assert len(flying) == PATIENCE
    for ticket in flying:
        gate.refused(ticket, 20)
        gate.left(ticket, 20)
    gate.changed(21)
    assert gate.probe_at == 20 + PROBE


class Key:
    """A gate before a key, and what the vendor counts of it; a burst counts once."""

    def __init__(self, seed: int, places: int) -> None:
        self.rng, self.places = random.Random(seed), places
        self.gate, self.flying, self.now = CircuitBreaker(), list[Ticket](), 0.0
        self.row, self.last = 0, float("-inf")

    def fill(self) -> None:
        """Let all go that may; a refusal that would lock the key needs that any lock is over."""
        while self.gate.free and len(self.flying) < self.places:
            alone = sum(ticket.alone for ticket in self.flying)
            self.flying.append(self.gate.enter())
            if self.flying[-1].alone and self.row + alone >= PATIENCE:
                assert alone == 0
                assert self.now - self.last >= PROBE - 1e-6
        assert self.flying or self.gate.probe_at is not None

    def step(self, cloud: str) -> None:
        """Let the probe come, or one of the calls be answered."""
        if self.gate.probe_at is not None and self.now >= self.gate.probe_at:
            self.gate.probe()
        self.fill()
        if not self.flying:
            self.now = max(self.now, self.gate.probe_at or self.now)
            return
        ticket = self.flying.pop(self.rng.randrange(len(self.flying)))
        self.now += self.rng.choice([0.0, 0.1, 5.0])
        if cloud == "good" and self.gate.taken(ticket):
            self.row = 0
        if cloud == "bad":
            self.refuse(ticket)
        self.gate.left(ticket, self.now)

    def refuse(self, ticket: Ticket) -> None:
        verdict = self.gate.refused(ticket, self.now)
        if verdict is not Verdict.STALE or ticket.alone:
            self.row, self.last = self.row + 1, self.now
        if verdict is Verdict.RENEW:
            other, poll = self.rng.random() < 0.3, self.rng.random() < 0.5
            self.gate.renewed(self.now, other=other, poll=poll)


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
            key.gate.changed(key.now)
        while key.now < end:
            key.step(cloud)


@pytest.mark.parametrize("hiccup", [1.5, 10, 29])
def test_a_cloud_that_refuses_everybody_for_seconds_costs_half_a_minute(hiccup: float) -> None:
    gate = closed()
    for number, ticket in enumerate([gate.enter() for _ in range(13)]):
        if gate.refused(ticket, hiccup * number / 13) is Verdict.RENEW:
            gate.renewed(0, other=False)

    assert gate.probe_at == FIRST
    gate.probe()
    gate.taken(gate.enter())
    assert gate.free


@given(st.integers(1, 3600))
def test_a_key_that_works_again_is_found_within_six_minutes(outage: int) -> None:
    gate = opened()
    while gate.probe_at is not None and gate.probe_at < outage:
        probe_moments(gate, 1)

    assert gate.probe_at is not None
    assert gate.probe_at - outage <= min(max(FIRST, outage + FIRST), PROBE)
