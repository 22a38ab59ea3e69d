"""The rules of discovery: what is read from the file and from the environment, and every mistake with its place."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from exporter.config import Settings, load
from exporter.services.discovery_rule import Search
from exporter.services.registry import load_services as services
from tests.known import LISTED, SERVICES, SUCH

File = Callable[[str], Path]
Mistakes = Callable[..., list[str]]

PROJECT = """\
projects:
  prod:
    region: cn-north-4
    project_id: 05f2
    credentials: {access_key: {key_id: AK, secret: SK}}
"""
OTHER = "  spare: {region: eu-de, cloud: otc, project_id: 06a1, credentials: {token: t}}\n"
NO_JOB = (
    "jobs: no job is registered; list at least one under jobs or in EXPORTER_JOBS, or set job_files or discovery;"
    " the command `discover` prints the jobs that exist and needs only projects"
)
WORDS = "cluster_id, cluster_name, group_name, job_name, job_type, project"


def rule(service: str, **fields: Any) -> Any:
    lists = services()[service].lists
    assert lists is not None
    return lists.rule.model_validate(fields)


def under(*rules: str) -> str:
    return PROJECT + "discovery:\n" + "".join(f"  - {each}\n" for each in rules)


# --- what is read


def test_names_and_labels_may_hold_the_project_and_the_words_of_the_list(file: File) -> None:
    text = '{service: cdm, name: "{project}/{job_name}", labels: {team: "{group_name} of {project}", tier: gold}}'
    (search,) = load(file(under(text)), {}).discovery

    assert search.rule.name == "prod/{job_name}"
    assert search.labels_of({"group_name": "sales"}) == {"team": "sales of prod", "tier": "gold"}
    assert search.labels_of({}) == {"tier": "gold"}, "what a list does not say is no label"


def test_rules_alone_are_a_configuration(file: File) -> None:
    settings = load(file(under("{service: dli}", "{service: cdm}")), {})

    assert settings.jobs == ()
    assert settings.discovery == (Search("dli", "prod", rule("dli")), Search("cdm", "prod", rule("cdm")))


def test_every_key_of_a_rule_for_dli_is_read_and_text_stays_text(file: File) -> None:
    text = (
        '{service: dli, project: prod, queues: [default, 007], tags: {pipeline: on}, name: "{tags.pipeline}",'
        ' types: [query], owner: 1e3, states: [running], window: 1d, max_jobs: 20, interval: 45s, match: "^a",'
        ' exclude: "b$"}'
    )

    (search,) = load(file(under(text)), {}).discovery

    assert (search.service, search.project, search.interval) == ("dli", "prod", 45)
    assert search.rule == rule(
        "dli",
        queues=("default", "007"),
        tags={"pipeline": "on"},
        name="{tags.pipeline}",
        types=("QUERY",),
        owner="1e3",
        states=("RUNNING",),
        window="86400s",
        max_jobs="20",
        match="^a",
        exclude="b$",
    )


@pytest.mark.parametrize(
    ("written", "clusters"),
    [("", ()), ("clusters: all", ()), ("clusters: ~", ()), ("clusters: [etl, 007]", ("etl", "007"))],
)
def test_clusters_are_all_or_those_that_are_named(file: File, written: str, clusters: tuple[str, ...]) -> None:
    (search,) = load(file(under(f"{{service: cdm, {written}}}")), {}).discovery

    assert search.rule == rule("cdm").model_copy(update={"clusters": clusters})


def test_the_same_rule_is_read_from_the_environment(file: File) -> None:
    fields = {"service": "cdm", "clusters": ["etl"], "match": "^prod_", "max_jobs": 7, "interval": "1m"}

    by_file = load(file(under(json.dumps(fields))), {})
    by_environment = load(file(PROJECT), {"EXPORTER_DISCOVERY": json.dumps([fields])})

    assert by_file.discovery == by_environment.discovery
    assert by_file.discovery[0].rule == rule("cdm", clusters=("etl",), match="^prod_", max_jobs="7")


def test_the_environment_takes_the_place_of_the_rules_of_the_file(file: File) -> None:
    settings = load(file(under("{service: dli}")), {"EXPORTER_DISCOVERY": '[{"service": "cdm"}]'})

    assert [search.service for search in settings.discovery] == ["cdm"]


def test_a_rule_names_its_project_where_there_are_two(file: File) -> None:
    settings = load(file(PROJECT + OTHER + "discovery: [{service: cdm, project: spare}]\n"), {})

    assert [search.project for search in settings.discovery] == ["spare"]


@pytest.mark.parametrize("written", ["", "discovery:\n", "discovery: []\n"])
def test_without_a_rule_a_job_is_needed(mistakes: Mistakes, written: str) -> None:
    assert mistakes(PROJECT + written) == [f"exporter.yaml: {NO_JOB}"]


# --- what is refused


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{service: cdm, macth: x}", '.macth: unknown key; did you mean "match"?'),
        ("{service: cdm, intervall: 45s}", '.intervall: unknown key; did you mean "interval"?'),
        ("{service: dli, queue: a}", '.queue: unknown key; did you mean "queues"?'),
        (
            "{service: cdm, owner: a}",
            (
                ".owner: unknown key; known are clusters, exclude, interval, labels, match, max_jobs, name, project, "
                "promises, service, types"
            ),
        ),
        ("{servce: dli}", '.servce: unknown key; did you mean "service"?'),
        ("{kind: dli}", ".service: required but missing: The service whose jobs the rule finds"),
        ("{service: ''}", ".service: expected text; this is empty"),
        (
            "{service: [dli]}",
            (".service: expected text, not a list; give one, and put text that holds brackets in quotes"),
        ),
        ("{service: dlii}", '.service: unknown service "dlii"; did you mean "dli"?'),
        ("{service: ecs}", f'.service: unknown service "ecs"; known are {SERVICES}'),
        ("{service: cdm, project: prood}", '.project: unknown project "prood"; did you mean "prod"?'),
        (
            "{service: dli, match: '('}",
            '.match: expected a regular expression, not "(": missing ), unterminated subpattern at position 0',
        ),
        (
            "{service: cdm, exclude: '*a'}",
            '.exclude: expected a regular expression, not "*a": nothing to repeat at position 0; for any text write .*',
        ),
        ("{service: dli, match: [a]}", ".match: expected a regular expression, not a list"),
        ("{service: dli, match: ''}", ".match: expected text; this is empty"),
        ("{service: dli, name: '{jobid}'}", '.name: unknown word "jobid" in the name; did you mean "job_id"?'),
        ("{service: cdm, name: '{tags.a}'}", f'.name: unknown word "tags.a" in the name; known are {WORDS}'),
        ("{service: dli, name: '{tags.}'}", '.name: unknown word "tags." in the name; did you mean "tags.<key>"?'),
        (
            "{service: dli, name: '{job_id'}",
            '.name: expected each { to have its } and a word between them, not "{job_id"',
        ),
        ("{service: dli, name: ''}", ".name: expected text; this is empty"),
        (
            "{service: dli, labels: {team: '{ownr}'}}",
            '.labels.team: unknown word "ownr" in the label; did you mean "owner"?',
        ),
        ("{service: dli, labels: {team: ''}}", ".labels.team: expected text; this is empty"),
        (
            "{service: dli, labels: [team]}",
            (".labels: expected a mapping of settings, not a list; write it as {key: ...}"),
        ),
        ("{service: dli, states: [RUNING]}", '.states[0]: unknown word "RUNING"; did you mean "RUNNING"?'),
        ("{service: dli, states: RUNNING}", ".states: expected a list, not text; write it as [...]"),
        ("{service: dli, types: [DDL, QUERYY]}", '.types[1]: unknown word "QUERYY"; did you mean "QUERY"?'),
        ("{service: cdm, types: [BATCH_JB]}", '.types[0]: unknown word "BATCH_JB"; did you mean "BATCH_JOB"?'),
        ("{service: cdm, types: []}", ".types: expected at least one; this list is empty"),
        ("{service: dli, max_jobs: 0}", ".max_jobs: expected at least 1, not 0"),
        ("{service: dli, max_jobs: -1}", '.max_jobs: expected a whole number, not "-1"'),
        ("{service: dli, max_jobs: [1]}", ".max_jobs: expected a whole number, not a list"),
        ("{service: dli, max_jobs: ''}", '.max_jobs: expected a whole number, not ""'),
        ("{service: dli, window: 0s}", ".window: expected at least 1s, not 0s"),
        ("{service: dli, window: 30}", '.window: expected a duration with its unit, such as 30s, not "30"'),
        ("{service: dli, window: long}", '.window: expected a duration such as 30s or 5m, not "long"'),
        ("{service: dli, window: [1d]}", ".window: expected a duration such as 30s or 5m, not a list"),
        ("{service: dli, interval: 500ms}", ".interval: expected at least 1s, not 500ms"),
        ("{service: cdm, clusters: []}", ".clusters: expected at least one; this list is empty"),
        (
            "{service: cdm, clusters: etl}",
            '.clusters: expected all, or a list of names or ids of clusters, not "etl"',
        ),
        ("{service: cdm, clusters: ['']}", ".clusters[0]: expected text; this is empty"),
        ("{service: dli, queues: default}", ".queues: expected a list, not text; write it as [...]"),
        ("{service: dli, queues: ['']}", ".queues[0]: expected text; this is empty"),
        ("{service: dli, owner: ''}", ".owner: expected text; this is empty"),
        ("{service: dli, tags: [a]}", ".tags: expected a mapping of settings, not a list; write it as {key: ...}"),
        (
            "{service: dli, tags: {a: 'b,c'}}",
            '.tags: expected tags without commas, and keys without =, not "a=b,c"',
        ),
        ("cdm", f": expected a mapping such as {SUCH}, not text"),
    ],
)
def test_a_rule_that_is_wrong_is_told_with_its_line(mistakes: Mistakes, written: str, expected: str) -> None:
    assert mistakes(under("{service: dli}", written)) == [f"exporter.yaml:8: discovery[1]{expected}"]


def test_a_rule_for_a_service_without_lists_is_refused(mistakes: Mistakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(services()["dws"]), "lists", None)
    others = ", ".join(name for name in LISTED.split(", ") if name != "dws")

    (told,) = mistakes(under("{service: dws}"))
    sentence = f"dws has no list of its jobs, so none can be found; services that have one: {others}"
    assert told == f"exporter.yaml:7: discovery[0].service: {sentence}"


def test_a_rule_for_clusters_is_read(file: File) -> None:
    text = '{service: dws, clusters: [dwh, 0123], match: "^d", exclude: "x$", name: "dw/{cluster_name}", max_jobs: 3}'
    search, *_ = load(file(under(text, "{service: dws, clusters: all}", "{service: dws}")), {}).discovery

    assert search.rule == rule(
        "dws", clusters=["dwh", "0123"], match="^d", exclude="x$", name="dw/{cluster_name}", max_jobs="3"
    )
    assert _[0].rule == _[1].rule == rule("dws")


def test_a_mistake_stands_at_the_line_of_its_own_key(mistakes: Mistakes) -> None:
    text = "{\n    service: cdm,\n    match: '(',\n    clusters: [],\n    max_jobs: 0}"

    assert [each.partition(": ")[0] for each in mistakes(under(text))] == [f"exporter.yaml:{at}" for at in (9, 10, 11)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            "discovery: cdm",
            ("exporter.yaml:6: discovery: expected a list of rules, not text; write each as - {service: dli, ...}"),
        ),
        (
            "discovery: {service: cdm}",
            (
                "exporter.yaml:6: discovery: expected a list of rules, not a mapping"
                "; write each as - {service: dli, ...}"
            ),
        ),
    ],
)
def test_what_is_no_list_of_rules_is_told(mistakes: Mistakes, written: str, expected: str) -> None:
    assert expected in mistakes(PROJECT + written)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('[{"service": "cdm", "max_jobs": 0}]', "discovery[0].max_jobs: expected at least 1, not 0"),
        (
            '[{"service": "cdm"}, {"service": "dli", "match": "("}]',
            (
                'discovery[1].match: expected a regular expression, not "(": '
                "missing ), unterminated subpattern at position 0"
            ),
        ),
        ('{"service": "cdm"}', "expected a list of rules, not a mapping; write each as - {service: dli, ...}"),
        ('[{"service": "cdm", "match": "a", "match": "b"}]', 'the key "match" stands twice'),
    ],
)
def test_a_mistake_in_the_environment_is_told_with_its_variable(mistakes: Mistakes, value: str, expected: str) -> None:
    assert f"environment: EXPORTER_DISCOVERY: {expected}" in mistakes(PROJECT, {"EXPORTER_DISCOVERY": value})


def test_a_rule_must_name_its_project_where_there_are_two(mistakes: Mistakes) -> None:
    text = PROJECT + OTHER + "discovery: [{service: cdm}]\n"

    assert mistakes(text) == ["exporter.yaml:7: discovery[0].project: required but missing; one of prod, spare, or all"]


def test_a_service_whose_address_is_not_known_is_told_once_with_the_rule_that_needs_it(mistakes: Mistakes) -> None:
    own = OTHER.replace("cloud: otc", "cloud: custom, endpoints: {dli: 'https://a'}")
    text = PROJECT + own + "discovery: [{service: cdm, project: spare}, {service: cdm, project: spare, match: a}]\n"

    (told,) = mistakes(text)

    assert told.endswith("cloud custom has no usual one, and discovery[0] needs it")


def test_all_mistakes_of_all_rules_are_told_at_once(mistakes: Mistakes) -> None:
    told = mistakes(under("{service: ecs}", "{service: dli, match: '(', max_jobs: 0}", "{service: cdm, project: x}"))

    assert [each.partition(": ")[2].partition(":")[0] for each in told] == [
        "discovery[0].service",
        "discovery[1].match",
        "discovery[1].max_jobs",
        "discovery[2].project",
    ]


@pytest.mark.parametrize("environ", [{}, {"EXPORTER_POLL__LIST_INTERVAL": "20s"}])
def test_a_rule_without_an_interval_goes_by_that_of_the_lists(file: File, environ: Mapping[str, str]) -> None:
    settings: Settings = load(file(under("{service: cdm}")), environ)

    assert settings.discovery[0].interval is None
    assert settings.poll.list_interval == (20 if environ else 45)
