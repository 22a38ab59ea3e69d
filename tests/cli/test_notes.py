"""What check says of a configuration that is valid and yet may not be meant."""

import json
import os
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


JOBS = [{"service": "dli", "job_id": "85798b38-ae44-48eb-bb90-7cf0dcdafe7b"}]


def told(project: dict[str, Any], **more: Any) -> list[str]:
    return list(notes(load(None, {}, {"projects": {"p": {**GOOD, **project}}, "jobs": JOBS, **more})))


def key(**parts: str) -> dict[str, Any]:
    return {"credentials": {"access_key": {"key_id": "AK", "secret": "SK", **parts}}}


def test_of_what_may_well_be_meant_nothing_is_told() -> None:
    assert told({}) == []


@pytest.mark.parametrize(
    ("more", "most"),
    [
        ({"web": {"linger": "45s"}}, "50s"),
        ({"push": {"otlp": "https://otlp.example.com"}}, "10s"),
        ({"web": {"linger": "45s"}, "push": {"pushgateway": "https://push.example.com", "timeout": "10s"}}, "1m"),
    ],
)
def test_how_long_a_stop_may_take_is_told_for_whoever_kills_it(more: dict[str, Any], most: str) -> None:
    (sentence,) = told({}, **more)

    assert f"a stop may take {most};" in sentence
    assert "terminationGracePeriodSeconds" in sentence


@pytest.mark.parametrize(
    ("project", "expected"),
    [
        ({"region": "cn-nroth-4"}, "is cn-north-4 meant?"),
        (
            {"project_id": "abc"},
            "project_id is not 32 hexadecimal digits in small letters, as those here are; check it",
        ),
        (
            {"project_id": "05F2CFF4-5100-D511-2F4B-C00B794EA08E"},
            "is 05f2cff45100d5112f4bc00b794ea08e meant?",
        ),
        ({"region": "eu-nl", "cloud": "otc"}, "eu-nl is a region without dli as far as is known; it is in eu-de"),
        ({"region": "eu-de"}, "eu-de is a region of cloud otc; set projects.p.cloud: otc"),
        ({"region": "cn-north-4", "cloud": "otc"}, "is no region of cloud otc (eu-ch2, eu-de, eu-nl)"),
        ({"region": "cn-south-2"}, "cn-south-2 is a region without dli as far as is known; check the region"),
        ({"project_id": "05F2CFF45100D5112F4BC00B794EA08E"}, "is 05f2cff45100d5112f4bc00b794ea08e meant?"),
        ({"project_id": "'05f2cff45100d5112f4bc00b794ea08e' "}, "is 05f2cff45100d5112f4bc00b794ea08e meant?"),
        (key(key_id="AK "), "access_key.key_id has a space before or after it"),
        (key(key_id='"AK"'), "access_key.key_id begins with a quote"),
        (key(secret="'SK'"), "access_key.secret begins with a quote"),
    ],
)
def test_what_is_surely_a_slip_is_told(project: dict[str, Any], expected: str) -> None:
    (sentence,) = told(project)

    assert sentence.startswith("project p: warning: ")
    assert expected in sentence


def test_where_the_operator_gives_the_address_no_region_is_odd() -> None:
    project = {"region": "cn-south-2", "endpoints": {"dli": "https://dli.example.com"}}

    assert told(project) == []
    assert told({**project, "region": "here-1", "cloud": "custom"}) == []


def test_that_times_without_a_zone_stay_absent_is_told_of_the_services_that_send_them() -> None:
    job = {"service": "dws", "job_id": "2c9080e88459fa44018459fbeb600001"}

    (sentence,) = told({}, jobs=[job])
    assert "no time_zone is set, so start and end of its dws jobs" in sentence
    assert told({"time_zone": "Asia/Shanghai"}, jobs=[job]) == []


@pytest.mark.parametrize(
    ("project", "told_of"),
    [
        ({"endpoints": {"iam": "https://iam.eu-west-0.prod-cloud-ocb.orange-business.com"}}, True),
        ({"endpoints": {"iam": "https://iam.cn-north-4.myhuaweicloud.com"}}, False),
        ({"endpoints": {"iam": "https://iam.eu-west-101.myhuaweicloud.eu"}}, False),
        ({"endpoints": {"iam": "https://10.1.2.3:8443"}}, False),
        ({"endpoints": {"iam": "https://[fd00::1]"}}, False),
        ({"endpoints": {"iam": "https://iam.corp.example", "dli": "https://dli.corp.example"}}, False),
        (
            {"region": "eu-de", "cloud": "otc", "endpoints": {"iam": "https://iam-pub.eu-ch2.sc.otc.t-systems.com"}},
            False,
        ),
    ],
)
def test_an_iam_of_another_cloud_than_the_services_is_told(project: dict[str, Any], told_of: bool) -> None:
    sentences = told(project)

    assert [("are these one cloud?" in each) for each in sentences] == [True] * told_of


def test_a_secret_that_everybody_may_write_is_told(tmp_path: Path) -> None:
    file = tmp_path / "sk"
    file.write_text("SK")
    file.chmod(0o666)

    (sentence,) = told({"credentials": {"access_key": {"key_id": "AK", "secret_file": str(file)}}})
    assert "secret_file may be written by everybody" in sentence


def test_a_journal_that_is_a_directory_and_intervals_that_make_all_stale_are_told(tmp_path: Path) -> None:
    assert any("is a directory" in sentence for sentence in told({}, journal=str(tmp_path)))
    (sentence,) = told({}, poll={"interval": "11m"})
    assert "longer than stale_after" in sentence
    assert "after three of it (33m)" in sentence


def test_a_journal_that_is_no_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "journal")

    (sentence,) = told({}, journal=str(tmp_path / "journal"))
    assert "is no regular file" in sentence


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (
            {"service": "dli", "job_id": "abc"},
            'dli job "abc": job_id "abc" is not a UUID, as those of this service are; check it',
        ),
        (
            {"service": "dli", "job_id": "85798b38ae4448ebbb907cf0dcdafe7b"},
            "is 85798b38-ae44-48eb-bb90-7cf0dcdafe7b meant?",
        ),
        (
            {"service": "dli", "job_id": "'85798b38-ae44-48eb-bb90-7cf0dcdafe7b'"},
            "is 85798b38-ae44-48eb-bb90-7cf0dcdafe7b meant?",
        ),
        ({"service": "dli", "job_id": "85798b38-ae44-48eb-bb90-7cf0dcdafe7"}, "is not a UUID"),
        (
            {"service": "dws", "job_id": "2c908088-e884-59fa-4401-8459fbeb6000"},
            "is 2c908088e88459fa44018459fbeb6000 meant?",
        ),
        ({"service": "dws", "job_id": "17"}, "is not 32 hexadecimal digits"),
        (
            {"service": "cdm", "cluster_id": "etl", "job_name": "orders"},
            'cdm job "orders": cluster_id "etl" is not a UUID',
        ),
    ],
)
def test_an_id_that_looks_like_none_of_its_service_is_told_with_the_nearest_that_does(
    job: dict[str, str], expected: str
) -> None:
    sentences = told({"time_zone": "Asia/Shanghai"}, jobs=[job])

    assert [expected in each for each in sentences] == [True]


def test_ids_that_look_like_those_of_their_service_are_fine_and_of_many_that_do_not_some_are_told() -> None:
    uuid = "85798B38-AE44-48EB-BB90-7CF0DCDAFE7B"
    good = [
        {"service": "dli", "job_id": uuid},
        {"service": "dws", "job_id": "2C9080E88459FA44018459FBEB600001"},
        {"service": "cdm", "cluster_id": uuid, "job_name": "所有 orders"},
    ]
    odd = [{"service": "dli", "job_id": f"id-{number}"} for number in range(500)]
    sentences = told({"time_zone": "Asia/Shanghai"}, jobs=[*good, *odd])

    assert len(sentences) == 11
    assert sentences[-1].startswith("jobs: warning: the ids of 490 more dli jobs")


@pytest.mark.parametrize(
    ("first", "second", "is_told"),
    [
        ({"service": "cdm"}, {"service": "cdm"}, True),
        ({"service": "dws"}, {"service": "dws", "clusters": ["a"]}, True),
        ({"service": "cdm", "name": "{project}/{job_name}"}, {"service": "cdm", "name": "{project}/{job_name}"}, False),
        ({"service": "cdm", "name": "a-{job_name}"}, {"service": "cdm", "name": "b-{job_name}"}, False),
        ({"service": "cdm"}, {"service": "dws"}, False),
        ({"service": "dli"}, {"service": "dli"}, False),
    ],
)
def test_rules_that_name_jobs_of_two_projects_alike_are_told(
    first: dict[str, Any], second: dict[str, Any], is_told: bool
) -> None:
    projects = {"p": GOOD, "q": GOOD}
    rules = [{**first, "project": "p"}, {**second, "project": "q"}]
    found = list(notes(load(None, {}, {"projects": projects, "discovery": rules})))

    sentences = [each for each in found if "so only one is registered" in each]
    assert len(sentences) == is_told
    assert all('set name of the rules to "{project}/{' in each for each in sentences)


@pytest.mark.parametrize(
    ("projects", "where"),
    [("ab", "the projects a and b collide"), ("abc", "the projects a, b and 1 more collide"), ("aa", "")],
)
def test_rules_that_name_jobs_of_projects_alike_are_told_with_the_first_two_projects(projects: str, where: str) -> None:
    rules = [{"service": "cdm", "project": name} for name in projects]
    found = list(notes(load(None, {}, {"projects": dict.fromkeys(projects, GOOD), "discovery": rules})))

    sentences = [each for each in found if "collide" in each]
    assert len(sentences) == bool(where)
    assert all(where in each for each in sentences)


def test_one_job_under_two_names_is_told() -> None:
    jobs = json.loads(
        '[{"service": "dli", "job_id": "1", "name": "a"}, {"service": "dli", "job_id": "1", "name": "b"}]'
    )

    assert "jobs: warning: a and b are the same dli job" in told({}, jobs=jobs)
    uuid = "85798b38-ae44-48eb-bb90-7cf0dcdafe7b"
    twice = [{"service": "dli", "job_id": uuid, "name": "a"}, {"service": "dli", "job_id": uuid.upper(), "name": "b"}]
    assert told({}, jobs=twice) == ["jobs: warning: a and b are the same dli job"]
