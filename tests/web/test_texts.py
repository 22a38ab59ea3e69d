"""The page in English and in Chinese: every text goes through the catalogue, and none is missing in it."""

import ast
import json
import re
from collections.abc import Iterator
from html import unescape
from itertools import chain
from pathlib import Path

import pytest

from exporter.model.measures import Declared
from exporter.model.promises import DURATIONS
from exporter.model.reason import Reason
from exporter.model.run import RunId
from exporter.model.snapshot import RESULTS, Rows, Snapshot, State
from exporter.model.standing import STANDINGS
from exporter.runs.past import Change, Failure, JobPast, PastRun, Turn
from exporter.services import registry
from exporter.services.dataarts import lists
from exporter.web.negotiate import language
from exporter.web.order import GROUPS, SORTS
from exporter.web.page import formatting, list_page
from exporter.web.page.texts import CHINESE, ENGLISH, LANGUAGES, SCRIPT, TEXTS
from tests.web.fakes import FAULT, NOW, FakeExporter, in_state, running, serving

WEB = Path(list_page.__file__).parent
TEMPLATES = sorted((WEB / "templates").glob("*.html"))
SAID = re.compile(r"""\b_\(\s*(?:'([^']*)'|"([^"]*)")""")
DECLARED: Declared = registry.declared()
OWN_NAMES = {"UTC", "JSON", "exporter", "p50", "p90", "id"}
"""What is the same in every language."""


def in_templates() -> set[str]:
    return {one or other for template in TEMPLATES for one, other in SAID.findall(template.read_text())} - {"no "}


def in_code() -> Iterator[str]:
    for module in WEB.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
                yield from (str(each.value) for each in node.args if isinstance(each, ast.Constant))


def from_tables() -> set[str]:
    """Return the words that are said by the name of what they stand for."""
    services = registry.load_services().values()
    words = {*STANDINGS, *Reason, *RESULTS, *GROUPS, *(sort.replace("_", " ") for sort in SORTS)}
    words |= {title for title, _ in list_page._COLUMNS} | {unit for _, unit in formatting._STEPS}
    words |= {"static", "file", "discovery", "rows", "data"}
    words |= {name.replace("_", " ") for name in (*DURATIONS, "deadline", "rows_match")}
    words |= set(re.findall(r'"([a-z]+ [^"]*)"', (WEB / "promises.py").read_text()))
    names = {"region", "project_id", *DECLARED.identity, *(family.name for family in DECLARED.measures)}
    words |= {formatting.field_title(name) for name in names}
    words |= {*lists._SCHEDULES.values()}
    words |= {value for family in DECLARED.measures for value in family.values if value}
    parts = {service.parts.word for service in services if service.parts}
    words |= parts | {f"{word.capitalize()}s" for word in parts}
    return words | {text for service in services for text in service.codes.meanings.values()}


def used() -> set[str]:
    return {*in_templates(), *in_code(), *from_tables(), *SCRIPT}


def test_no_text_is_missing_in_chinese_and_none_is_there_in_vain() -> None:
    assert used() - set(CHINESE) == set()
    assert set(CHINESE) - used() == set()


def test_a_text_has_the_same_places_in_either_language() -> None:
    for english, chinese in CHINESE.items():
        assert chinese.strip()
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", chinese)), english


def test_the_script_says_what_it_was_given() -> None:
    said = set(re.findall(r'say\("([^"]*)"', (WEB / "templates" / "page.js").read_text()))
    units = {unit for _, unit in formatting._STEPS}
    assert said | units == set(SCRIPT)
    assert json.loads(TEXTS["zh"].script()).keys() == set(SCRIPT)
    assert json.loads(ENGLISH.script()) == {}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_words_of_its_own(template: Path) -> None:
    text = re.sub(r"\{% block (icon|json) %\}.*?\{% endblock %\}", " ", template.read_text())
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", " ", text, flags=re.DOTALL)
    told = re.findall(r'\b(?:title|placeholder|data-label|aria-label)="([^"]*)"', text)
    told += re.sub(r"<[^>]*>", " ", text).split("\n")
    words = set(re.findall(r"[^\W\d_]{2,}\w*", " ".join(unescape(each) for each in told)))
    assert words - OWN_NAMES == set()


RICH = JobPast(
    NOW - 5000,
    (
        *(PastRun("succeeded", NOW - 600 * n, False, NOW - 600 * n - 60, 60.0, 4.0, 9.0, "") for n in range(9, 3, -1)),
        PastRun("failed", NOW - 900, True, None, None, None, None, "X.1"),
        PastRun("cancelled", NOW - 700, True, None, None, None, None, "", over=True),
    ),
    ((NOW - 600, 0.1), (NOW - 300, 0.4)),
    (Turn(NOW - 900, "waiting", "running", ""), Turn(NOW - 800, "running", "stale", "server")),
    (Failure(NOW - 12, "server", "X.2", "req-1"),),
)


def english_in(html: str) -> set[str]:
    """Return the English words of the catalogue that stand in what a reader sees or hears."""
    html = re.sub(r"<(style|script)\b.*?</\1>|data-texts=\"[^\"]*\"", "", html, flags=re.DOTALL)
    told = re.findall(r'\b(?:title|placeholder|data-label|aria-label)="([^"]*)"', html)
    html = re.sub(r'<(\w+)[^>]* lang="en"[^>]*>.*?</\1>|<code.*?</code>', "", html, flags=re.DOTALL)
    told += re.findall(r">([^<]+)<", html)
    words = set(chain.from_iterable(re.findall(r"[A-Za-z]{3,}", unescape(each)) for each in told))
    english, chinese = (set(re.findall(r"[A-Za-z]{3,}", " ".join(each))) for each in (CHINESE, CHINESE.values()))
    return words & (english - chinese)


FIELDS = {"Sub", "jobs", "completed", "tasks"}
"""Of the vendor's own names of fields, which are told as they are."""
PAGES = ("/", "/?group=service", "/?q=none", "/jobs/dli/nightly", "/jobs/dli/j-0", "/jobs/dli/xx")


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_in_chinese_has_no_english_left(path: str) -> None:
    rows = Rows(("id", "name", "status", "num_tasks", "num_completed_tasks"), ((7.0, "x", "RUNNING", 9.0, 4.0),))
    detail = {"sub_job_id": 7.0, "sub_jobs": rows}
    parted = Snapshot(State.RUNNING, "RUNNING", RunId("r-1"), 0.45, start=NOW - 600, detail=detail)
    slow = running("nightly", estimate=NOW + 60, fault=FAULT, failing=2, snapshot=parted)
    known = [slow, running("j-0", stale=True, up=False, fault=FAULT)]
    known += [in_state(state, f"j-{number}") for number, state in enumerate(State, start=1)]
    changes = (Change(NOW - 5, slow.job.key, "prod", "running", "failed", "X.1", 60.0),) * 7
    there = FakeExporter(known, changes=(*changes, changes[0]._replace(jobs=3, now="stale", code="server")))
    there.pasts = {record.job.key: RICH for record in known}
    async with serving(there) as client:
        answer = await client.get(path, headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})
        html = await answer.text()

    assert '<html lang="zh">' in html
    assert english_in(html) - FIELDS == set()


@pytest.mark.parametrize(
    ("accept", "lang"),
    [
        ("", "en"), ("*", "en"), ("de", "en"), ("zh", "zh"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("fr, zh-Hant-TW;q=0.5", "zh"), ("zh;q=0, en;q=0.1", "en"),
        ("en-US,zh;q=0.8", "en"), ("zh;q=x", "en"), ("ZH", "zh"), (";;,=,q=1", "en"),
    ],
)  # fmt: skip
def test_the_language_is_that_which_the_reader_likes_best(accept: str, lang: str) -> None:
    assert language(accept, tuple(LANGUAGES)) == lang


async def test_the_address_says_the_language_before_the_browser_does() -> None:
    zh = {"Accept-Language": "zh"}
    async with serving(FakeExporter([running()])) as client:

        async def lang(path: str, headers: dict[str, str]) -> str:
            answer = await client.get(path, headers=headers)
            assert "Accept-Language" in answer.headers["Vary"]
            html = await answer.text()
            return html.partition('<html lang="')[2].partition('"')[0]

        for path in ("/", "/jobs/dli/nightly", "/jobs/dli/none"):
            assert [await lang(path, each) for each in ({}, zh)] == ["en", "zh"]
            assert [await lang(f"{path}?lang=en", zh), await lang(f"{path}?lang=zh", {})] == ["en", "zh"]
        tags = [(await client.get("/", headers=each)).headers["ETag"] for each in ({}, zh)]
        assert len(set(tags)) == 2
        html = await (await client.get("/?lang=zh&clock=cloud")).text()
        assert 'href="./jobs/dli/nightly?clock=cloud&amp;lang=zh"' in html
        html = await (await client.get("/jobs/dli/nightly?clock=cloud&lang=zh")).text()
        assert 'href="../../?clock=cloud&amp;lang=zh"' in html
        assert 'href="?clock=cloud&amp;lang=en"' in html
        assert (await client.get("/?lang=xx")).status == 400
