"""The file is read as text, with its places, and whatever it holds is refused in words."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.config import load, yaml_reader
from exporter.model.errors import SettingsError

File = Callable[[str | bytes], Path]
Mistakes = Callable[..., list[str]]

PROJECT = """\
projects:
  prod: &prod
    region: cn-north-4
    project_id: 05f2
    credentials: {access_key: {key_id: AK, secret: SK}}
"""
ALIAS = 'an alias (a word after "*") without its anchor; write &word where it is first used, or put text in quotes'


@pytest.mark.parametrize("written", ["0123", "on", "2024-01-01", "1e3", "0x10", "1_000", "=", "数据 a+b", "12:30:45"])
def test_text_stays_as_it_is_written(file: File, written: str) -> None:
    text = f"{PROJECT}jobs: [{{service: cdm, cluster_id: {written}, job_name: {written}}}]"
    (job,) = load(file(text), {}).jobs

    assert job.target == {"cluster_id": written, "job_name": written}
    assert job.key == ("cdm", written)
    assert all(type(value) is str for value in (*job.key, *job.target.values(), job.project, job.region))


def test_a_key_without_a_value_is_not_given(file: File) -> None:
    text = f"poll:\nlog: {{level: null, format: ~}}\njournal:\n{PROJECT}jobs: [{{service: dli, job_id: '~', name: }}]"
    read = load(file(text), {})

    assert read.poll.interval == 30
    assert read.log.level == "info"
    assert read.jobs[0].key.job == "~"


def test_anchors_aliases_and_merges_are_followed(file: File) -> None:
    text = f"""{PROJECT}  test:
    <<: *prod
    region: eu-de
jobs:
  - &job {{service: dli, job_id: a, project: prod, interval: 5s}}
  - {{<<: *job, project: test, job_id: b}}
  - {{<<: [{{interval: 7s}}, *job], job_id: c}}
"""
    read = load(file(text), {})

    assert read.projects["test"].region == "eu-de"
    assert read.projects["test"].project_id == "05f2"
    assert [(job.target["job_id"], job.project, job.interval) for job in read.jobs] == [
        ("a", "prod", 5),
        ("b", "test", 5),
        ("c", "prod", 7),
    ]
    assert read.jobs[1].region == "eu-de"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", ": the file is empty; config/minimal.yaml is a place to start"),
        ("# nothing\n---\n", ": the file is empty; config/minimal.yaml is a place to start"),
        ("\njust text", ':2: expected a mapping of settings at the top level, for example "poll:"'),
        ("- a", ':1: expected a mapping of settings at the top level, for example "poll:"'),
        (
            "a: {b",
            (
                ":1: not valid YAML: a mapping in braces does not end; close its }, put commas between keys,"
                " and text with braces, such as ${NAME}, in quotes (no variable is filled in)"
            ),
        ),
        ("a: 'x", ":1: not valid YAML: a quoted text does not end; close its quote"),
        (
            'a: "\\d"',
            ":1: not valid YAML: a backslash that begins no escape; write it twice, or use single quotes",
        ),
        ("a: b\n\tc: d", ":2: not valid YAML: a tab where the line begins; indent by spaces"),
        (
            "a: b\nc: d: e",
            (
                ":2: not valid YAML: a key that is indented further than those above, or a second colon in one line;"
                " indent the keys of a mapping alike, and put text that holds a colon and a space in quotes"
            ),
        ),
        ("a: 1\n---\nb: 2", ":2: a second document starts here; one file holds one"),
        ("a: *hunter2", ":1: " + ALIAS),
        ("a: &a [*a]", ":1: " + ALIAS),
        ("a: !hunter2 b", ':1: a YAML tag (a word after "!") means nothing here; put the text in quotes'),
        ("{a: b}: c", ":1: expected a word as the key; text in braces or brackets needs quotes"),
        ("a: &x [b]\n*x : c", ":2: expected a word as the key; text in braces or brackets needs quotes"),
        ("<<: text", ':1: "<<" takes a mapping or a list of mappings'),
        (b"a: b\nc: \xff", ":2: the file is not UTF-8 text; save it as UTF-8"),
        (
            b"a: b\nc: \x00",
            ":2: not valid YAML: a control character; write it as an escape in double quotes",
        ),
        ("[" * 100_000, ":1: nested more than 32 levels deep"),
        ("a: " + "{b: " * 40, ":1: nested more than 32 levels deep"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_a_file_that_is_no_configuration_is_told(mistakes: Mistakes, content: str | bytes, expected: str) -> None:
    assert mistakes(content) == [f"exporter.yaml{expected}"]


def test_a_bomb_of_aliases_does_not_go_off(mistakes: Mistakes) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 20)]
    began = time.process_time()

    assert mistakes("\n".join(lines)) == ["exporter.yaml:6: aliases repeat more than 1000000 values"]
    assert time.process_time() - began < 5


def test_a_key_that_stands_twice_is_told_with_both_lines_wherever_it_is(mistakes: Mistakes) -> None:
    text = f'{PROJECT}jobs:\n  - service: dli\n    job_id: a\n    "service": dws\nlog:\n  level: info\n  level: debug\n'

    assert mistakes(text) == [
        'exporter.yaml:9: the key "service" stands twice, first in line 7',
        'exporter.yaml:12: the key "level" stands twice, first in line 11',
    ]


def test_a_file_that_cannot_be_read_is_told_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(path: Path) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            load(path, {})
        return [line.removeprefix(f"{path}") for line in caught.value.mistakes]

    assert told(tmp_path / "none.yaml") == [": there is no such file; correct --config or EXPORTER_CONFIG"]
    assert told(tmp_path) == [": this is a directory; name the file in it"]
    assert told(tmp_path / ("x" * 300)) == [": the file cannot be read: File name too long"]
    with pytest.raises(SettingsError, match=r"embedded null (byte|character in path)"):
        load(Path("a\0b"), {})
    monkeypatch.setattr(yaml_reader, "read_regular", _denied)
    assert told(tmp_path / "a") == [": no permission to read the file; let the exporter's user read it"]


def _denied(path: Path, most: int) -> None:
    raise PermissionError(13, "Permission denied", str(path))


def test_half_a_surrogate_is_no_text(mistakes: Mistakes) -> None:
    jobs = '[{"service": "dli", "job_id": "a\\ud800"}]'

    assert mistakes(PROJECT, {"EXPORTER_JOBS": jobs}) == [
        "environment: EXPORTER_JOBS: jobs[0].job_id: expected text; this holds bytes that are not UTF-8"
    ]


@pytest.mark.slow
def test_twenty_thousand_jobs_are_read_in_reasonable_time(file: File) -> None:
    jobs = "".join(f"  - {{service: dli, job_id: id-{number}, name: name-{number}}}\n" for number in range(20_000))
    began = time.process_time()

    assert len(load(file(f"{PROJECT}jobs:\n{jobs}"), {}).jobs) == 20_000
    assert time.process_time() - began < 20


def refused_or_read(path: Path | None, environ: Mapping[str, str]) -> None:
    told = None
    try:
        load(path, environ)
    except SettingsError as error:
        told = error.mistakes
    assert told is None or (told and all(line.isprintable() for line in told))


KEYS = st.sampled_from(
    [
        "log",
        "level",
        "poll",
        "interval",
        "web",
        "listen_address",
        "projects",
        "prod",
        "region",
        "credentials",
        "access_key",
        "secret",
        "jobs",
        "service",
        "limits",
        "endpoints",
        "dli",
        "time_zone",
        "ca_file",
        "journal",
        "sharding",
        "shard",
        "metrics",
        "labels",
        "job",
        "<<",
        "discovery",
        "job_id",
        "project_id",
    ]
)
WORDS = st.one_of(
    st.text(max_size=8), KEYS, st.sampled_from(["30s", "", "~", "5/s", "auto", "dli", "https://a", "/", "."])
)
TREES = st.recursive(
    st.one_of(st.none(), WORDS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(KEYS, st.text()), inner, max_size=5)
    ),
    max_leaves=20,
)
LENIENT = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@LENIENT
@given(content=st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_any_bytes_are_read_or_refused(file: File, content: bytes) -> None:
    refused_or_read(file(content), {})


@LENIENT
@given(content=st.text(alphabet="{}[]&*!|>'\"%@`#,:-?<= \t\nab~0\\"))
def test_any_yaml_is_read_or_refused(file: File, content: str) -> None:
    refused_or_read(file(content), {})


@LENIENT
@given(tree=st.dictionaries(KEYS, TREES))
def test_any_tree_of_settings_is_read_or_refused(tree: dict[str, Any]) -> None:
    told = None
    try:
        load(None, {}, tree)
    except SettingsError as error:
        told = error.mistakes
    assert told is None or (told and all(line.isprintable() for line in told))


@LENIENT
@given(
    environ=st.dictionaries(
        st.lists(KEYS, min_size=1, max_size=4).map(lambda parts: "EXPORTER_" + "__".join(parts).upper()),
        st.one_of(st.text(), st.sampled_from(["{}", "[]", "[null]", '{"prod": null}', "[[[" * 9999, '{"a": NaN}'])),
    )
)
def test_any_environment_is_read_or_refused(environ: dict[str, str]) -> None:
    refused_or_read(None, environ)
