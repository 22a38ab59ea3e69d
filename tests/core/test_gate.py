"""The rule that keeps a key from being locked, against a key that locks."""

import random

from hypothesis import given
from hypothesis import strategies as st

from exporter.core.gate import PROBE, Gate, Ticket, Verdict

LOCKS_AFTER = 5


def opened() -> Gate:
    gate = Gate()
    gate.taken(gate.enter())
    return gate


def paused() -> Gate:
    gate = opened()
    gate.refused(gate.enter(), 0)
    gate.renewed()
    gate.refused(gate.enter(), 1)
    return gate


def test_the_first_call_goes_alone_and_the_others_follow_when_it_was_taken() -> None:
    gate = Gate()
    ticket = gate.enter()

    assert not gate.free
    assert gate.taken(ticket)
    assert gate.free
    gate.enter()
    assert gate.free


def test_a_call_of_which_nothing_came_lets_the_next_one_go_alone() -> None:
    gate = Gate()
    gate.left(gate.enter())

    assert gate.free
    gate.enter()
    assert not gate.free


def test_a_refusal_shuts_the_gate_until_the_renewal_is_over_and_then_one_goes_alone() -> None:
    gate = opened()
    ticket = gate.enter()

    assert gate.refused(ticket, 0) is Verdict.RENEW
    gate.left(ticket)
    assert not gate.free
    gate.renewed()
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
    gate.renewed()
    alone = gate.enter()

    assert gate.refused(late, 0) is Verdict.STALE
    assert not gate.taken(lucky)
    gate.left(late)
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
    gate.changed()
    ticket = gate.enter()

    assert not gate.paused
    assert not ticket.probe
    assert gate.refused(ticket, 9) is Verdict.RENEW


@given(st.integers(0, 2**32), st.integers(1, 12), st.lists(st.booleans(), min_size=1, max_size=60))
def test_at_most_one_call_more_than_those_on_their_way_fails_before_a_pause(
    seed: int, places: int, valid: list[bool]
) -> None:
    """Any order of calls and answers; the key is valid or not by turns, and is never renewed."""
    rng, gate, flying, after = random.Random(seed), Gate(), list[Ticket](), 0
    for good in valid:
        for _ in range(10):
            while gate.free and len(flying) < places:
                flying.append(gate.enter())
            if not flying:
                break
            ticket = flying.pop(rng.randrange(len(flying)))
            if good:
                gate.taken(ticket)
                after = 0
            else:
                verdict = gate.refused(ticket, 0)
                after += verdict is not Verdict.STALE
                if verdict is Verdict.RENEW:
                    gate.renewed()
            gate.left(ticket)
            assert after <= 2
        if gate.paused:
            assert after == 2
            gate.changed()
            after = 0
    assert gate.free or gate.paused or flying
