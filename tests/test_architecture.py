"""The rules of the house that import-linter does not see."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.services import registry

PACKAGE = Path(__file__).parents[1] / "exporter"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST_MODULE = 300
LONGEST_SERVICE = 450
LONGEST_FUNCTION = 40


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_can_be_read_in_one_sitting(module: Path) -> None:
    text = module.read_text()

    longest = LONGEST_SERVICE if module.parts[-2] in {"services", "cdm", "dli"} else LONGEST_MODULE
    assert len(text.splitlines()) <= longest
    for function in functions(ast.parse(text)):
        assert (function.end_lineno or 0) - function.lineno < LONGEST_FUNCTION, function.name


def test_one_place_catches_what_was_not_foreseen() -> None:
    broad = [
        f"{module.relative_to(PACKAGE)}:{node.lineno}"
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or {"Exception", "BaseException"} & {ast.unparse(part) for part in ast.walk(node.type)})
    ]

    assert {place.split(":")[0] for place in broad} == {"supervise.py"}


def test_every_module_says_what_it_is() -> None:
    for module in MODULES:
        assert ast.get_docstring(ast.parse(module.read_text())), module


def test_services_do_not_know_each_other() -> None:
    names = [adapter.service for adapter in registry.load().values()]
    for module in (PACKAGE / "services").rglob("*.py"):
        own = module.relative_to(PACKAGE / "services").parts[0].removesuffix(".py")
        imported = re.findall(r"^(?:from|import) exporter\.services\.(\w+)", module.read_text(), re.MULTILINE)
        assert not {each for each in imported if each in names} - {own}, module
