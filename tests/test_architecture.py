"""The rules of the house that import-linter does not see."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from exporter.services import registry

PACKAGE = Path(__file__).parents[1] / "exporter"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST_MODULE = 300
LONGEST_SERVICE = 450
LONGEST_FUNCTION = 40
ADAPTERS = registry.load_services()
SERVICES = {
    word.lower()
    for adapter in ADAPTERS.values()
    for word in (adapter.service, *adapter.limits, *adapter.codes.prefixes)
}
"""The words of the services: their names, and those of their limits and codes."""
OF_A_SERVICE = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(sorted(SERVICES))})(?![a-z0-9])")
FIELDS = {name for adapter in ADAPTERS.values() for name in adapter.entry.model_fields if "_" in name}
"""The fields by which entries tell one job from another."""
SENTENCE = re.compile(r"[A-Za-z]{2,},? [A-Za-z]{2,}")
HOUSE = [path for path in PACKAGE.rglob("*") if not {"services", "simulator"} & set(path.relative_to(PACKAGE).parts)]
"""What must not know any service."""


@cache
def parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text())


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_can_be_read_in_one_sitting(module: Path) -> None:
    text = module.read_text()

    longest = LONGEST_SERVICE if "services" in module.parts else LONGEST_MODULE
    assert len(text.splitlines()) <= longest
    for function in functions(parsed(module)):
        assert (function.end_lineno or 0) - function.lineno < LONGEST_FUNCTION, function.name


def test_one_place_catches_what_was_not_foreseen() -> None:
    broad = [
        f"{module.relative_to(PACKAGE)}:{node.lineno}"
        for module in MODULES
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or {"Exception", "BaseException"} & {ast.unparse(part) for part in ast.walk(node.type)})
    ]

    assert {place.split(":")[0] for place in broad} == {"supervise.py"}


def test_every_module_says_what_it_is() -> None:
    for module in MODULES:
        assert ast.get_docstring(parsed(module)), module


def help_texts(tree: ast.AST) -> set[int]:
    """Return the strings that are for people: docstrings, and sentences, which have two words beside each other.

    What decides anything is one word; a sentence that is compared, looked up or a key decides too.
    """
    found: set[int] = set()
    keys: set[int] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant() as text):
                found.add(id(text))
            case ast.Constant(value=str() as text) if SENTENCE.search(text):
                found.add(id(node))
            case ast.JoinedStr(values=parts) if SENTENCE.search(ast.unparse(node)):
                found |= set(map(id, parts))
            case ast.Compare(left=left, comparators=others):
                keys |= set(map(id, (left, *others)))
            case ast.Dict(keys=names):
                keys |= set(map(id, names))
            case ast.Subscript(slice=part) | ast.MatchValue(value=part):
                keys.add(id(part))
            case _:
                pass
    return found - keys


def known_services(source: str) -> list[str]:
    """Return the identifiers and deciding strings of some code that hold a word of a service."""
    tree = ast.parse(source)
    spared = help_texts(tree)
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in spared
    ]
    names = [
        name
        for node in ast.walk(tree)
        for field in ("id", "attr", "name", "arg", "module", "asname")
        if isinstance(name := getattr(node, field, None), str)
    ]
    found = [text for text in texts if text in FIELDS]
    return found + [text for text in (*texts, *names) if OF_A_SERVICE.search(snake(text))]


def snake(text: str) -> str:
    """Return *text* in lower case, its words in capitals set apart."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()


def test_no_word_of_a_service_decides_anything_outside_of_it() -> None:
    found = {path: known_services(path.read_text()) for path in HOUSE if path.suffix == ".py"}

    assert {str(path.relative_to(PACKAGE)): words for path, words in found.items() if words} == {}


def test_no_page_knows_a_service() -> None:
    for path in HOUSE:
        if path.suffix in {".html", ".js", ".css", ".json", ".svg"}:
            assert OF_A_SERVICE.search(path.read_text().lower()) is None, path


@pytest.mark.parametrize(
    "code",
    [
        'service == "dws"',
        'service in ("cdm", other)',
        '{"dli tasks and more": 1}',
        'told["the dws job"]',
        'f"{project}.dli.{region}"',
        "dws_jobs = 1",
        "class DliRule: ...",
        "import exporter.services.cdm.lists",
        "def read(cdm_list): ...",
        'target.get("cluster_id")',
        'code.startswith("DLI.")',
        "match word:\n case 'dws': ...",
    ],
)
def test_code_that_decides_by_a_service_is_seen(code: str) -> None:
    assert known_services(code)


@pytest.mark.parametrize(
    "code",
    [
        '"""Reads DLI."""',
        'raise ValueError("expected a mapping such as {service: dli, ...}")',
        'f"set {name} to a URL such as https://dli.{region}.example.com"',
        'deadline = handling(made_line, "deadline")',
    ],
)
def test_a_sentence_may_name_a_service(code: str) -> None:
    assert known_services(code) == []


def test_services_do_not_know_each_other() -> None:
    names = list(ADAPTERS)
    for module in (PACKAGE / "services").rglob("*.py"):
        own = module.relative_to(PACKAGE / "services").parts[0].removesuffix(".py")
        imported = re.findall(r"^(?:from|import) exporter\.services\.(\w+)", module.read_text(), re.MULTILINE)
        assert not {each for each in imported if each in names} - {own}, module


ENTRY_POINTS = {"ADAPTER", "command", "main"}
"""What is found by its name in several modules: a service, a command, the program."""


def test_a_public_name_is_defined_once() -> None:
    """Names at the top of a module; each service is a world of its own beside the house, as none imports another."""
    services = {adapter.service for adapter in registry.load_services().values()}
    homes: dict[str, dict[str, set[str]]] = {}
    for module in MODULES:
        parts = module.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] == "simulator":
            continue
        world = parts[1] if parts[0] == "services" and parts[1] in services else "house"
        for name in {*top_level(parsed(module))} - ENTRY_POINTS:
            if not name.startswith("_"):
                homes.setdefault(name, {}).setdefault(world, set()).add("/".join(parts))

    twice = {
        name: sorted(place for places in worlds.values() for place in places)
        for name, worlds in homes.items()
        if any(len(places) > 1 for places in worlds.values()) or (len(worlds) > 1 and "house" in worlds)
    }
    assert not twice


def test_a_public_name_is_used_outside_of_its_module() -> None:
    """A name that nothing outside of its module uses, not even a test, begins with an underscore."""
    root = PACKAGE.parent
    files = [
        *MODULES,
        *(path for folder in ("tests", "benchmarks", "deploy") for path in (root / folder).rglob("*.py")),
    ]
    files += (PACKAGE / "web" / "templates").glob("*.html")
    words = {path: set(re.findall(r"\w+", path.read_text())) for path in files}
    users = Counter(word for found in words.values() for word in found)

    unused = [
        f"{module.relative_to(PACKAGE)}: {name}"
        for module in MODULES
        if not {"services", "simulator"} & set(module.relative_to(PACKAGE).parts)
        for name in top_level(ast.parse(module.read_text()))
        if not name.startswith("_") and users[name] == 1
    ]
    assert unused == []


def top_level(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Assign():
                yield from (target.id for target in node.targets if isinstance(target, ast.Name))
            case _:
                pass
