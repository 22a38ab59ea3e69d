"""What check says of a configuration that is valid and yet may not be meant."""

import json
from pathlib import Path
from typing import Any

import pytest

from exporter.cli.notes import notes
from exporter.config import load

GOOD: dict[str, Any] = {
    "region": "cn-north-4",
    "project_id": "05f2cff45100d5112f4bc00b794ea08e",
    "credentials": {"access_key": {"key_id": "AK", "secret": "SK"}},
}


def told(project: dict[str, Any], **more: Any) -> list[str]:
    jobs = [{"service": "dli", "job_id": "85798b38-ae44-48eb-bb90-7cf0dcdafe7b"}]
    return list(notes(load(None, {}, {"projects": {"p": {**GOOD, **project}}, "jobs": jobs, **more})))


def key(**parts: str) -> dict[str, Any]:
    return {"credentials": {"access_key": {"key_id": "AK", "secret": "SK", **parts}}}


def test_of_what_may_well_be_meant_nothing_is_told() -> None:
    assert told({}) == []


@pytest.mark.parametrize(
    ("project", "expected"),
    [
        ({"region": "cn-nroth-4"}, "is cn-north-4 meant?"),
        ({"project_id": "abc"}, "project_id is not 32 hexadecimal digits"),
        ({"region": "eu-nl", "cloud": "otc"}, "those are in eu-de"),
        (key(key_id="AK "), "access_key.key_id has a space before or after it"),
        (key(key_id='"AK"'), "access_key.key_id begins with a quote"),
        (key(secret="'SK'"), "access_key.secret begins with a quote"),
    ],
)
def test_what_is_surely_a_slip_is_told(project: dict[str, Any], expected: str) -> None:
    (sentence,) = told(project)

    assert sentence.startswith("project p: warning: ")
    assert expected in sentence


def test_a_secret_that_everybody_may_write_is_told(tmp_path: Path) -> None:
    file = tmp_path / "sk"
    file.write_text("SK")
    file.chmod(0o666)

    (sentence,) = told({"credentials": {"access_key": {"key_id": "AK", "secret_file": str(file)}}})
    assert "secret_file may be written by everybody" in sentence


def test_a_journal_that_is_a_directory_and_intervals_that_make_all_stale_are_told(tmp_path: Path) -> None:
    assert any("is a directory" in sentence for sentence in told({}, journal=str(tmp_path)))
    assert any("longer than stale_after" in sentence for sentence in told({}, poll={"interval": "11m"}))


def test_one_job_under_two_names_is_told() -> None:
    jobs = json.loads(
        '[{"service": "dli", "job_id": "1", "name": "a"}, {"service": "dli", "job_id": "1", "name": "b"}]'
    )

    assert "jobs: warning: a and b are the same dli job" in told({}, jobs=jobs)
