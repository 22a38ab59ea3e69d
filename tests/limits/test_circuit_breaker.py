"""The rule that keeps a key from being locked, against a key that locks."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.limits.circuit_breaker import AGAIN, FEW, PATIENCE, PROBE, RARELY, CircuitBreaker, Ticket, Verdict


def opened() -> CircuitBreaker:
    gate = CircuitBreaker()
    gate.taken(gate.enter())
    return gate


def paused() -> CircuitBreaker:
    gate = opened()
    gate.refused(gate.enter(), 0)
    gate.renewed(0)
    gate.refused(gate.enter(), 1)
    return gate


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
    gate.renewed(1)
    gate.enter()
    assert not gate.free


def test_a_probe_of_which_nothing_came_leaves_the_calls_paused() -> None:
    gate = paused()
    gate.probe()
    gate.left(gate.enter(), 500)

    assert gate.probe_at == 500 + AGAIN
    assert not gate.free


def test_a_renewal_that_is_refused_pauses_without_another_call() -> None:
    gate = opened()
    gate.refused(gate.enter(), 0)
    gate.renewed(3, refused=True)

    assert gate.probe_at == 3 + PROBE


def test_after_five_refusals_in_a_row_calls_are_rare_whoever_changes_the_credentials() -> None:
    gate = paused()
    for now in (400, 800, 1200):
        gate.probe()
        gate.refused(gate.enter(), now)
    assert gate.probe_at == 1200 + RARELY

    gate.changed(1210)
    assert gate.probe_at == 1200 + PROBE
    gate.changed(1200 + PROBE)
    assert gate.free
    gate.taken(gate.enter())
    assert gate.refused(gate.enter(), 2000) is Verdict.RENEW


def test_a_refusal_shuts_the_gate_until_the_renewal_is_over_and_then_one_goes_alone() -> None:
    gate = opened()
    ticket = gate.enter()

    assert gate.refused(ticket, 0) is Verdict.RENEW
    gate.left(ticket, 0)
    assert not gate.free
    gate.renewed(0)
    again = gate.enter()
    assert not gate.free
    assert gate.taken(again)
    assert gate.free


def test_a_second_refusal_pauses_and_says_until_when() -> None:
    gate = paused()

    assert gate.paused
    assert not gate.free
    assert gate.probe_at == 1 + PROBE


def test_what_was_on_its_way_says_nothing_new() -> None:
    gate = opened()
    first, late, lucky = gate.enter(), gate.enter(), gate.enter()
    gate.refused(first, 0)
    gate.renewed(0)
    alone = gate.enter()

    assert gate.refused(late, 0) is Verdict.STALE
    assert not gate.taken(lucky)
    gate.left(late, 0)
    assert not gate.free
    assert gate.refused(alone, 0) is Verdict.PAUSE


def test_a_probe_goes_alone_and_is_known_as_one() -> None:
    gate = paused()
    gate.probe()
    ticket = gate.enter()

    assert ticket.probe
    assert not gate.free
    assert gate.refused(ticket, PROBE) is Verdict.PAUSE
    gate.probe()
    assert gate.taken(gate.enter())
    assert not gate.enter().probe


def test_other_credentials_begin_anew() -> None:
    gate = paused()
    gate.changed(0)
    ticket = gate.enter()

    assert not gate.paused
    assert not ticket.probe
    assert gate.refused(ticket, 9) is Verdict.RENEW


@given(
    st.integers(0, 2**32),
    st.integers(1, 8),
    st.lists(st.tuples(st.sampled_from(["good", "bad", "silent"]), st.booleans()), min_size=1, max_size=80),
)
@settings(deadline=None)
def test_a_key_is_locked_by_nothing_but_calls_that_were_on_their_way(
    seed: int, places: int, hours: list[tuple[str, bool]]
) -> None:
    """Five minutes each in which the cloud takes, refuses or says nothing, and the credentials may become others."""
    rng, gate, flying, now = random.Random(seed), CircuitBreaker(), list[Ticket](), 0.0
    in_a_row, last, stale = 0, float("-inf"), 0
    for cloud, other in hours:
        now += 300
        if other:
            gate.changed(now)
        if gate.probe_at is not None and now >= gate.probe_at:
            gate.probe()
        for _ in range(20):
            while gate.free and len(flying) < places:
                flying.append(gate.enter())
            if not flying:
                break
            ticket = flying.pop(rng.randrange(len(flying)))
            if cloud == "good":
                gate.taken(ticket)
                in_a_row = stale = 0
            if cloud == "bad":
                verdict = gate.refused(ticket, now)
                if verdict is Verdict.RENEW:
                    gate.renewed(now)
                in_a_row, stale = in_a_row + 1, stale + (verdict is Verdict.STALE)
                # a lock that would follow is over before the next call
                late = verdict is Verdict.STALE
                assert late or in_a_row - stale <= PATIENCE or now - last >= PROBE - 60
                last = last if late else now
            gate.left(ticket, now)
        assert gate.free or gate.paused or flying
