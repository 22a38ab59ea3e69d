"""Job files: both forms, told apart by what is in them; text stays text; every mistake has file and line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import job_file, load
from exporter.config.errors import SourcePosition
from exporter.config.tree import MappingNode, from_plain
from exporter.model.errors import SettingsError
from exporter.model.job import Job, JobKey
from exporter.services import registry
from exporter.services.request import FOLDERS
from tests.known import SERVICES, SUCH

NO_OBJECT = f"jobs:2: expected one JSON object a line such as {json.dumps(registry.example())}"
PROJECT = "region: cn-north-4, project_id: p, credentials: {access_key: {key_id: a, secret: b}}"


@pytest.fixture
def projects(file: Callable[[str], Path]) -> MappingNode:
    text = f"projects:\n  prod: {{{PROJECT}}}\njobs: [{{service: dli, job_id: a}}]\n"
    return job_file.known_projects(load(file(text), {}))


def read(text: str | bytes, projects: MappingNode) -> list[tuple[str, dict[str, str]]]:
    data = text if isinstance(text, bytes) else text.encode()
    return [(job.key.job, dict(job.target)) for job in job_file.read_job_file(data, "jobs", projects)]


def refused(text: str | bytes, projects: MappingNode) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(text, projects)
    return list(caught.value.mistakes)


def test_labels_are_any_text_under_any_name(projects: MappingNode) -> None:
    labelled = '- {service: dli, job_id: a, labels: {team: 0123, on: "", cost-center: "a \\"b\\" 订单"}}'
    text = labelled + "\n- {service: dws, job_id: b}\n"
    first, second = job_file.read_job_file(text.encode(), "jobs", projects)

    assert dict(first.labels) == {"team": "0123", "on": "", "cost-center": 'a "b" 订单'}
    assert not second.labels


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [("sales", "labels: expected a mapping"), ("{team: [a]}", "labels.team: "), ("{team: {a: b}}", "labels.team: ")],
)
def test_labels_that_are_no_texts_are_refused_by_their_place(labels: str, sentence: str, projects: MappingNode) -> None:
    (mistake,) = refused(f"- {{service: dli, job_id: a, labels: {labels}}}", projects)

    assert mistake.startswith(f"jobs:1: [0].{sentence}")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("- {service: dli, job_id: 0123, name: on}\n- {service: dws, job_id: 2024-01-01}\n", id="list"),
        pytest.param(
            "jobs:\n  - service: dli\n    job_id: 0123\n    name: on\n  - {service: dws, job_id: 2024-01-01}", id="jobs"
        ),
        pytest.param(
            '[{"service": "dli", "job_id": "0123", "name": "on"},\n {"service": "dws", "job_id": "2024-01-01"}]',
            id="JSON list",
        ),
        pytest.param(
            '{"jobs": [{"service": "dli", "job_id": "0123", "name": "on"},\n{"service":"dws","job_id":"2024-01-01"}]}',
            id="JSON mapping",
        ),
        pytest.param(
            '{"jobs": [{"service": "dli", "job_id": "0123", "name": "on"}, {"service":"dws","job_id":"2024-01-01"}]}',
            id="JSON mapping in a line",
        ),
        pytest.param(
            "{jobs: [\n{service: dli, job_id: 0123, name: on},\n{service: dws, job_id: 2024-01-01}\n]}",
            id="YAML mapping in braces",
        ),
        pytest.param(
            '\ufeff# by hand\r\n\r\n{"service": "dli", "job_id": "0123", "name": "on"}\r\n'
            '  # more\r\n {"service": "dws", "job_id": "2024-01-01"}',
            id="JSON lines",
        ),
        pytest.param(
            "{service: dli, job_id: 0123, name: on}\n{service: dws, job_id: 2024-01-01} # the other\n",
            id="lines without quotes",
        ),
    ],
)
def test_each_form_is_read(text: str, projects: MappingNode) -> None:
    assert read(text, projects) == [("on", {"job_id": "0123"}), ("2024-01-01", {"job_id": "2024-01-01"})]


@pytest.mark.parametrize("text", ["", "\n", "# nothing yet\n", "---\n", "[]", "jobs:", "jobs: []", '{"jobs": []}', "~"])
def test_a_file_without_entries_is_an_empty_list(text: str, projects: MappingNode) -> None:
    assert read(text, projects) == []


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("123", "123"),
        ("0123", "0123"),
        ("1e5", "1e5"),
        ("1.50", "1.50"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("true", "true"),
        ("NaN", "NaN"),
        (r'"\u8ba2\u5355 \ud83d\ude00"', "订单 😀"),
        ('"a\u2028b"', "a\u2028b"),
    ],
)
def test_text_stays_text_in_json_lines(written: str, kept: str, projects: MappingNode) -> None:
    assert read(f'{{"service": "dli", "job_id": {written}}}\n', projects) == [(kept, {"job_id": kept})]


@given(
    ids=st.lists(
        st.text(min_size=1).filter(lambda text: text.isprintable() and text not in FOLDERS), min_size=1, max_size=5
    )
)
def test_whatever_json_dumps_writes_is_read_back(ids: list[str]) -> None:
    table = from_plain({"prod": {"region": "cn-north-4", "cloud": "huaweicloud"}}, SourcePosition("x"))
    assert isinstance(table, MappingNode)
    text = "\n".join(json.dumps({"service": "dli", "job_id": each}) for each in ids)

    assert [name for name, _ in read(text, table)] == ids


def test_a_job_says_that_a_file_registers_it(projects: MappingNode) -> None:
    (job,) = job_file.read_job_file(
        b'{"service": "dli", "job_id": 7, "project": null, "interval": "15s"}', "jobs", projects
    )

    assert job == Job(JobKey("dli", "7"), "prod", {"job_id": "7"}, 15, "file", "cn-north-4")


def test_the_same_name_twice_is_no_mistake_here(projects: MappingNode) -> None:
    text = '{"service": "dli", "job_id": "1", "name": "x"}\n{"service": "dli", "job_id": "2", "name": "x"}\n'

    assert [target["job_id"] for _, target in read(text, projects)] == ["1", "2"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- {service: ecs}", f'jobs:1: [0].service: unknown service "ecs"; known are {SERVICES}'),
        (
            "\njobs:\n- {service: dli}",
            ("jobs:3: jobs[0].job_id: required but missing: The id that the service gave the job, or the task (DWS)"),
        ),
        ("- dli", f"jobs:1: [0]: expected a mapping such as {SUCH}, not text"),
        ("service: dli", f'jobs:1: expected a list of jobs, each as "- {SUCH}", or a mapping with jobs'),
        ("just text", "jobs:1: expected a list of jobs, not text"),
        ("jobs: dli", "jobs:1: jobs: expected a list of jobs, not text; write each as - {service: dli, ...}"),
        ("jobs: []\nlog: {}", "jobs:2: log: unknown key; known are jobs"),
        ("jobs: []\nJobs: []", 'jobs:2: Jobs: unknown key; did you mean "jobs"?'),
        ("- {service: dli,\n   job_id: 1, job_id: 2}", 'jobs:2: the key "job_id" stands twice, first in line 2'),
        (
            "- {service: dli",
            (
                "jobs:1: not valid YAML: a mapping in braces does not end; close its }, put commas between"
                " keys, and text with braces, such as ${NAME}, in quotes (no variable is filled in)"
            ),
        ),
        ("- {service: dli, job_id: 1, project: test}", 'jobs:1: [0].project: unknown project "test"; known are prod'),
        (
            "- {service: dli, job_id: 1, interval: 5}",
            ('jobs:1: [0].interval: expected a duration with its unit, such as 5s, not "5"'),
        ),
        (b"- \xff", "jobs:1: the file is not UTF-8 text; save it as UTF-8"),
        (
            '{"service": "dli", "job_id": "1"}\n{"service": "dli", "jo',
            f"{NO_OBJECT}; at character 20: a text does not end; close its double quote",
        ),
        (
            '{"service": "dli", "job_id": "1"}\nnightly',
            f"{NO_OBJECT}; at character 1: a value is missing, or is no JSON: put text in double quotes",
        ),
        ('{"service": "dli", "job_id": "1"}\n[1]', NO_OBJECT),
        ('\n{"service": "dli", "job_id": "1", "job_id": "2"}', 'jobs:2: the key "job_id" stands twice'),
        ("{service: dli, job_id: 1, job_id: 2}", 'jobs:1: the key "job_id" stands twice'),
        ('\n{"service": "dli", "job_idd": "1"}', 'jobs:2: [0].job_idd: unknown key; did you mean "job_id"?'),
        (
            '{"service": "dli", "job_id": "\\ud800"}',
            ("jobs:1: [0].job_id: expected text; this holds bytes that are not UTF-8"),
        ),
        (
            "- {service: cdm, cluster_id: c, job_name: ..}",
            'jobs:1: [0].job_name: expected a name that a URL can say; ".." means a folder there',
        ),
        (
            '\n{"service": "dli", "job_id": "."}',
            'jobs:2: [0].job_id: expected a name that a URL can say; "." means a folder there',
        ),
        ('{"a":' * 100_000, "jobs:1: expected JSON; this is nested too deeply"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(text: str | bytes, expected: str, projects: MappingNode) -> None:
    assert refused(text, projects)[0] == expected


def test_all_mistakes_are_told_in_the_order_of_the_file(projects: MappingNode) -> None:
    text = '{"service": "ecs"}\n{"service": "dli",\n{"service": "dws"}\n'

    assert [line.split(":")[1] for line in refused(text, projects)] == ["1", "2", "3"]


def test_a_service_whose_address_nobody_knows_is_refused_where_it_is_needed(file: Callable[[str], Path]) -> None:
    text = f"projects:\n  prod: {{cloud: custom, endpoints: {{dli: 'https://d'}}, {PROJECT}}}\njob_files: [x]\n"
    projects = job_file.known_projects(load(file(text), {}))

    assert read("- {service: dli, job_id: a}", projects) == [("a", {"job_id": "a"})]
    assert refused("\n- {service: dws, job_id: a}", projects) == [
        "jobs:2: projects.prod.endpoints.dws: required but missing: cloud custom has no usual one, and [0] needs it"
    ]


def test_patterns_are_relative_to_the_file_that_names_them(file: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "[odd]"
    folder.mkdir()
    text = f"projects:\n  prod: {{{PROJECT}}}\njob_files: [jobs.d/*.yaml, /etc/jobs/*]\n"
    (folder / "exporter.yaml").write_text(text)

    assert load(folder / "exporter.yaml", {}).job_files == (f"{tmp_path}/[[]odd]/jobs.d/*.yaml", "/etc/jobs/*")
    from_environment = load(file(text), {"EXPORTER_JOB_FILES": "a.yaml, /b/*.jsonl"})
    assert from_environment.job_files == (f"{tmp_path}/a.yaml", "/b/*.jsonl")
    assert from_environment.jobs == ()


@pytest.mark.parametrize("text", ["${AK}", "$AK", "$(AK)", "{{ ak }}"])
def test_a_secret_that_looks_like_a_variable_is_refused(text: str) -> None:
    """It would cost a refused signature, and a few of them lock the key."""
    key = {"key_id": text, "secret": "s"}
    project = {"region": "cn-north-4", "project_id": "p", "credentials": {"access_key": key}}
    with pytest.raises(SettingsError) as caught:
        load(None, {}, {"projects": {"prod": project}, "jobs": [{"service": "dli", "job_id": "1"}]})

    (mistake,) = caught.value.mistakes
    assert "credentials.access_key.key_id: this looks like a variable, and none are put in" in mistake
