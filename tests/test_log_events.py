"""Every event that the program can log stands in docs/logs.md, with its level and its fields, each of one type.

This looks at the code. What fields are put together only when an event is logged is looked at then: tests/conftest.py
compares each event that any test makes the program log.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.log_table import EVENTS, LEVELS, REMEDY, TYPES, rows

PACKAGE = Path(__file__).parents[1] / "exporter"
LOGGER = re.compile(r"_?log(ger)?", re.IGNORECASE)


class Logged(ast.NodeVisitor):
    """The calls of loggers in one module."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ast.Call]] = []

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr != "is_enabled_for" and is_logger(function.value):
            self.calls.append((function.attr, node))
        self.generic_visit(node)


def is_logger(node: ast.expr) -> bool:
    """Return whether an expression is a logger, by its name or because it makes one."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return LOGGER.fullmatch(name) is not None
        case ast.Call():
            return ast.unparse(node.func) == "structlog.get_logger"
        case _:
            return False


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Yield where each call of a logger is, its level, and the call; what libraries log is passed on by logs.py."""
    for module in sorted(PACKAGE.rglob("*.py")):
        if "simulator" in module.parts or module.name == "logs.py":
            continue
        logged = Logged()
        logged.visit(ast.parse(module.read_text()))
        for level, call in logged.calls:
            yield f"{module.relative_to(PACKAGE.parent)}:{call.lineno}", level, call


CALLS = list(calls())


@pytest.mark.parametrize(("place", "level", "call"), CALLS, ids=[place for place, _, _ in CALLS])
def test_every_event_is_in_the_table_with_its_level_and_fields(place: str, level: str, call: ast.Call) -> None:
    assert level in LEVELS, f"{place}: logged by {level}(); use one of {', '.join(LEVELS)}"
    assert len(call.args) == 1, f"{place}: an event is one literal text, everything else a field"
    assert isinstance(call.args[0], ast.Constant), f"{place}: the event is no literal text; say what differs in a field"
    event = call.args[0].value
    assert event in EVENTS, f"{place}: the event {event!r} has no row; {REMEDY}"
    row = EVENTS[event]
    assert level in row.levels, f"{place}: {event!r} is logged as {level}, and its row says {row.levels}; {REMEDY}"
    for field in call.keywords:
        if field.arg is not None:
            assert field.arg in row.fields, f"{place}: {event!r} has a field {field.arg!r}; {REMEDY}"


def test_every_logger_of_the_program_goes_by_a_name_that_this_test_knows() -> None:
    for module in PACKAGE.rglob("*.py"):
        text = module.read_text()
        for node in ast.walk(ast.parse(text)) if "get_logger(" in text else ():
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and "get_logger(" in ast.unparse(node.value):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                assert is_logger(target), f"{module}:{node.lineno}: name it _log"


def test_no_row_is_left_over() -> None:
    logged = {call.args[0].value for _, _, call in CALLS if call.args and isinstance(call.args[0], ast.Constant)}

    assert set(EVENTS) - logged == set()
    assert set(TYPES) - {field for event in EVENTS.values() for field in event.fields} == set()


def test_every_field_of_an_event_has_a_row_and_one_type() -> None:
    used = {field for event in EVENTS.values() for field in event.fields}

    assert used - set(TYPES) == set(), REMEDY
    assert set(TYPES.values()) <= {"text", "number", "time", "list"}
    assert {name for name in TYPES if name.endswith("_at")} == {name for name, kind in TYPES.items() if kind == "time"}
    assert all(TYPES[name] == "number" for name in TYPES if name.endswith("_seconds"))


@pytest.mark.parametrize("title", ["Events", "Fields"])
def test_no_row_stands_twice(title: str) -> None:
    names = Counter(cells[0] for cells in rows(title))

    assert [name for name, number in names.items() if number > 1] == []
