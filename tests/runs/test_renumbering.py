"""Which runs are taken for some of before the numbers started again, by what is known of both."""

import pytest

from exporter.model.run import NAMELESS, Ledger, RunId
from exporter.runs.renumbering import before_all, last_before

FLOOR = RunId("1", 9000.0)


@pytest.mark.parametrize(
    ("beyond", "last"),
    [
        ((), 5000.0),
        ((RunId("501", 5500.0), RunId("502", 5600.0)), 5600.0),
        ((RunId("502", 400.0),), 5000.0),
        ((RunId("502"), RunId("2", 9100.0)), 5000.0),
    ],
    ids=["none known", "two later ones", "one by a clock that was set back", "one without a creation and a new one"],
)
def test_the_last_creation_before_numbers_started_again_is_that_of_the_last_old_run(
    beyond: tuple[RunId, ...], last: float
) -> None:
    assert last_before(Ledger(floor=FLOOR, beyond=beyond, anew=5000.0), FLOOR) == last
    assert last_before(Ledger(floor=FLOOR, beyond=beyond), FLOOR) is None


@pytest.mark.parametrize(
    ("floor", "run", "before"),
    [
        (FLOOR, RunId("500", 5000.0), True),
        (FLOOR, RunId("500", 9000.0), False),
        (FLOOR, RunId("500"), False),
        (FLOOR, RunId("0", 5000.0), False),
        (RunId("", 9000.0), RunId("500", 8999.0), True),
        (RunId("", 9000.0), RunId("500", 9000.0), False),
        (RunId("", 9000.0), RunId("500"), False),
        (NAMELESS, RunId("500", 5000.0), False),
    ],
)
def test_a_run_is_from_before_all_if_it_was_created_before_them_and_no_lower_number_explains_it(
    floor: RunId, run: RunId, before: bool
) -> None:
    assert before_all(Ledger(floor=floor), run) is before
    assert not before_all(Ledger(floor=floor, beyond=(RunId("900", 4000.0),)), run)
    assert not before_all(Ledger(floor=floor, open=(run,)), run)
