"""What counts when more than one place says something, and which variables are nobody's mistake."""

import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from exporter.config import load
from exporter.model.errors import SettingsError
from tests.known import ENDPOINTS, LIMITS, SERVICES

BASE: Mapping[str, Any] = {
    "projects": {
        "prod": {
            "region": "cn-north-4",
            "project_id": "05f2",
            "credentials": {"access_key": {"key_id": "AK", "secret": "SK"}},
        }
    },
    "jobs": [{"service": "dli", "job_id": "1"}],
}
JOBS = '[{"service": "dli", "job_id": "1"}]'
SDK = {"HUAWEICLOUD_SDK_AK": "AK", "HUAWEICLOUD_SDK_SK": "SK"}
PLACE = {"HW_REGION_NAME": "cn-north-4", "HUAWEICLOUD_SDK_PROJECT_ID": "05f2", "EXPORTER_JOBS": JOBS}


def refused(environ: Mapping[str, str], base: Mapping[str, Any] | None = BASE) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(None, environ, base)
    return list(caught.value.mistakes)


def test_the_environment_counts_more_than_the_file_and_the_file_more_than_its_base(
    file: Callable[[str], Path],
) -> None:
    path = file("poll: {interval: 20s, timeout: 7s}\n")
    base = {**BASE, "poll": {"interval": "40s", "timeout": "9s", "concurrency": 5}}

    poll = load(path, {"EXPORTER_POLL__INTERVAL": "15s"}, base).poll

    assert (poll.interval, poll.timeout, poll.concurrency, poll.retention) == (15, 7, 5, 86400)


def test_the_environment_alone_is_enough() -> None:
    settings = load(
        None,
        {
            "EXPORTER_CONFIG": "",
            "EXPORTER_PROJECTS__PROD__REGION": "cn-north-4",
            "EXPORTER_PROJECTS__PROD__PROJECT_ID": "0123",
            "EXPORTER_PROJECTS__PROD__CREDENTIALS__TOKEN": "secret",
            "EXPORTER_PROJECTS__PROD__LIMITS__CDM": "60/m",
            "EXPORTER_JOBS": '[{"service": "cdm", "cluster_id": 1.50, "job_name": 0, "interval": "5s", "name": null}]',
        },
    )

    (job,) = settings.jobs
    assert job.target == {"cluster_id": "1.50", "job_name": "0"}
    assert (job.key.job, job.interval, job.project, job.region) == ("0", 5, "prod", "cn-north-4")
    token = settings.projects["prod"].credentials.token
    assert token is not None
    assert token.get_secret_value() == "secret"
    assert settings.projects["prod"].limits == {**LIMITS, "cdm": 1}


def test_a_variable_joins_the_project_of_the_file_even_if_its_name_has_a_dash() -> None:
    base = {**BASE, "projects": {"my-prod": BASE["projects"]["prod"]}}

    settings = load(None, {"EXPORTER_PROJECTS__MY_PROD__REGION": "eu-de"}, base)

    assert settings.projects["my-prod"].region == "eu-de"
    assert settings.projects["my-prod"].project_id == "05f2"


def test_a_table_may_be_json_and_a_longer_name_counts_more() -> None:
    poll = load(
        None, {"EXPORTER_POLL": '{"interval": "9s", "timeout": "2s"}', "EXPORTER_POLL__TIMEOUT": "3s"}, BASE
    ).poll

    assert (poll.interval, poll.timeout) == (9, 3)


def test_an_empty_variable_says_nothing() -> None:
    assert load(None, {"EXPORTER_POLL__INTERVAL": "", "EXPORTER_JOURNAL": ""}, BASE).poll.interval == 30


@pytest.mark.parametrize(
    "name",
    [
        "EXPORTER_PORT",
        "EXPORTER_PORT_10926_TCP",
        "EXPORTER_PORT_10926_TCP_ADDR",
        "EXPORTER_PORT_53_UDP_PROTO",
        "EXPORTER_SERVICE_HOST",
        "EXPORTER_SERVICE_PORT",
        "EXPORTER_SERVICE_PORT_METRICS",
        "EXPORTER_WEB_PORT",
        "EXPORTER_A__B_SERVICE_HOST",
        "EXPORTER_POLL_SERVICE_PORT_HTTP_2",
    ],
)
def test_what_kubernetes_injects_for_a_service_changes_nothing(name: str) -> None:
    assert load(None, {name: "tcp://10.0.0.1:10926"}, BASE) == load(None, {}, BASE)


@pytest.mark.parametrize("text", ["team, tier", '["team", "tier"]'])
def test_lists_of_words_may_be_given_with_commas(text: str) -> None:
    variables = {"EXPORTER_METRICS__JOB_LABELS": text, "EXPORTER_METRICS__DURATION_BUCKETS": "60,300"}
    metrics = load(None, variables, BASE).metrics

    assert (metrics.job_labels, metrics.duration_buckets) == (("team", "tier"), (60, 300))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("EXPORTER_POLL__INTERVALL", "EXPORTER_POLL__INTERVAL"),
        ("EXPORTER_POLL_INTERVAL", "EXPORTER_POLL__INTERVAL"),
        ("EXPORTER_poll__interval", "EXPORTER_POLL__INTERVAL"),
        ("EXPORTER_LOG__LEVEL__", "EXPORTER_LOG__LEVEL"),
        ("EXPORTER_LOG__LEVEL__X", "EXPORTER_LOG__LEVEL"),
        ("EXPORTER_JOB", "EXPORTER_JOBS"),
        ("EXPORTER_CONFIGS", "EXPORTER_CONFIG"),
        ("EXPORTER_PROJECTS__PROD__REGOIN", "EXPORTER_PROJECTS__PROD__REGION"),
        ("EXPORTER_PROJECTS__OTHER__REGOIN", "EXPORTER_PROJECTS__OTHER__REGION"),
        ("EXPORTER_JOBS__0__NAME", "EXPORTER_JOBS"),
    ],
)
def test_a_variable_that_sets_nothing_is_refused_with_the_nearest_name(name: str, meant: str) -> None:
    assert refused({name: "x"}) == [f'environment: {name}: unknown variable; did you mean "{meant}"?']


@pytest.mark.parametrize("name", ["EXPORTER_WEB__PORT", "EXPORTER_XYZZYQ", "EXPORTER_"])
def test_a_variable_that_resembles_nothing_is_refused_all_the_same(name: str) -> None:
    (told,) = refused({name: "x"})

    assert told.startswith(f"environment: {name}: unknown variable; ")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("POLL__INTERVAL", "fast", 'expected a duration such as 30s or 5m, not "fast"'),
        (
            "POLL",
            "fast",
            "expected JSON such as {...}; at character 1: a value is missing, or is no JSON: put text in double quotes",
        ),
        ("POLL", "[]", "expected a mapping of settings, not a list; write it as {interval: ...}"),
        ("POLL", '{"interval": 30}', 'poll.interval: expected a duration with its unit, such as 30s, not "30"'),
        ("POLL", '{"a": 1, "a": 2}', 'the key "a" stands twice'),
        ("POLL", '{"a": ' * 40 + "1" + "}" * 40, "nested more than 32 levels deep"),
        ("POLL", '{"a": ' * 99_999, "expected JSON; this is nested too deeply"),
        (
            "JOBS",
            "[{]",
            (
                "expected JSON such as [...]; at character 3: a key is missing, or is not in double"
                " quotes; write no comma after the last value"
            ),
        ),
        ("JOBS", "{}", "expected a list of jobs, not a mapping; write each as - {service: dli, ...}"),
        ("JOBS", '[{"service": "ecs"}]', f'jobs[0].service: unknown service "ecs"; known are {SERVICES}'),
        ("JOB_FILES", '[{"a": "b"}]', "job_files[0]: expected a pattern of files, not a mapping"),
        ("PROJECTS__PROD__REGION", "a\udcff", "expected text; this holds bytes that are not UTF-8"),
        ("PROJECTS", '{"\\ud800": 1}', "projects.\\ud800: expected text; this holds bytes that are not UTF-8"),
        (
            "PROJECTS",
            "hunter2",
            "expected JSON such as {...}; at character 1: a value is missing, or is no JSON: put text in double quotes",
        ),
        ("PROJECTS__PROD__CLOUD", "aws", 'expected one of huaweicloud, otc, custom, not "aws"'),
        (
            "PROJECTS__PROD__ENDPOINTS__NONE",
            "https://a",
            f'unknown service "none"; known are {ENDPOINTS}',
        ),
    ],
)
def test_a_variable_with_a_wrong_value_is_told(name: str, value: str, expected: str) -> None:
    assert refused({f"EXPORTER_{name}": value}) == [f"environment: EXPORTER_{name}: {expected}"]


def test_relative_paths_are_relative_to_the_file_that_names_them(file: Callable[[str], Path]) -> None:
    folder = Path("etc")
    folder.mkdir()
    (folder / "sk").write_text("secret\n")
    Path("ak").write_text("id\n")
    path = folder / "exporter.yaml"
    path.write_text(
        "projects: {prod: {region: r, project_id: p, credentials: {access_key: {secret_file: sk}}}}\n"
        "jobs: [{service: dli, job_id: a}]"
    )

    key = (
        load(path, {"EXPORTER_PROJECTS__PROD__CREDENTIALS__ACCESS_KEY__KEY_ID_FILE": "ak"}).projects["prod"].credentials
    )

    assert key.access_key is not None
    assert key.access_key.secret_file == (folder / "sk").absolute()
    assert key.access_key.key_id_file == Path("ak")


@pytest.mark.parametrize(
    ("key_id", "secret", "token"),
    [
        ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_SECURITY_TOKEN"),
        ("HW_ACCESS_KEY", "HW_SECRET_KEY", "HW_SECURITY_TOKEN"),
        ("OS_ACCESS_KEY", "OS_SECRET_KEY", "OS_SECURITY_TOKEN"),
    ],
)
@pytest.mark.parametrize("region", ["HW_REGION_NAME", "OS_REGION_NAME"])
@pytest.mark.parametrize("project", ["HUAWEICLOUD_SDK_PROJECT_ID", "HW_PROJECT_ID", "OS_PROJECT_ID"])
def test_the_vendors_own_variables_make_the_project_default(
    key_id: str, secret: str, token: str, region: str, project: str
) -> None:
    environ = {key_id: "AK", secret: "SK", token: "ST", region: "eu-de", project: "0123", "EXPORTER_JOBS": JOBS}

    ((name, made),) = load(None, environ).projects.items()

    key = made.credentials.access_key
    assert key is not None
    assert key.key_id is not None
    assert key.secret is not None
    assert key.security_token is not None
    assert (name, made.region, made.project_id) == ("default", "eu-de", "0123")
    assert [part.get_secret_value() for part in (key.key_id, key.secret, key.security_token)] == ["AK", "SK", "ST"]


def test_the_vendors_variables_yield_to_the_file_and_fill_what_it_leaves_out() -> None:
    others = {"HW_ACCESS_KEY": "other", "HW_SECRET_KEY": "other", "OS_REGION_NAME": "eu-de"}
    bare = {**BASE, "projects": {"prod": {"project_id": "05f2"}, "test": BASE["projects"]["prod"]}}

    full = load(None, {**SDK, **PLACE, **others}, BASE)
    assert full == load(None, {}, BASE)
    filled = load(None, {**SDK, **others, "HW_REGION_NAME": "x"}, {**BASE, "projects": {"prod": {"project_id": "1"}}})
    key = filled.projects["prod"].credentials.access_key
    assert key is not None
    assert key.key_id is not None
    assert key.key_id.get_secret_value() == "AK"
    assert filled.projects["prod"].region == "x"
    # with two projects nobody can tell which region is meant
    assert any("projects.prod.region: required but missing" in line for line in refused({**SDK, **PLACE}, bare))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"HUAWEICLOUD_SDK_AK": "x"}, "HUAWEICLOUD_SDK_SK: missing, while HUAWEICLOUD_SDK_AK is set; set both or none"),
        ({"HW_SECRET_KEY": "x"}, "HW_ACCESS_KEY: missing, while HW_SECRET_KEY is set; set both or none"),
        (
            {"OS_ACCESS_KEY": "x", "OS_SECRET_KEY": ""},
            "OS_SECRET_KEY: missing, while OS_ACCESS_KEY is set; set both or none",
        ),
        (
            {**SDK, "HW_REGION_NAME": ""},
            'HW_REGION_NAME: missing (or OS_REGION_NAME); the project "default" needs its region',
        ),
        (
            {**SDK, "HUAWEICLOUD_SDK_SK": "hunter2\n"},
            (
                "HUAWEICLOUD_SDK_SK: projects.default.credentials.access_key.secret: "
                "expected one line of printable ASCII characters"
            ),
        ),
    ],
)
def test_what_is_missing_among_the_vendors_variables_is_named(environ: dict[str, str], expected: str) -> None:
    assert refused({**PLACE, **environ}, None) == [f"environment: {expected}"]


def test_bytes_that_are_no_text_are_refused_wherever_they_come_from() -> None:
    base = {**BASE, "sharding": {"shards": 4, "shard": "auto"}}

    assert refused({**PLACE, **SDK, "HUAWEICLOUD_SDK_SK": "hunter2\udcff"}, None) == [
        (
            "environment: HUAWEICLOUD_SDK_SK: projects.default.credentials.access_key.secret: "
            "expected text; this holds bytes that are not UTF-8"
        )
    ]
    assert refused({"HOSTNAME": "a\udcff"}, base) == [
        (
            "built-in settings: sharding.shard: auto needs a host name that ends in its ordinal, such as exporter-3, "
            'not "a\\udcff"'
        )
    ]
    assert refused({"EXPORTER_\udcff": "x"})[0].startswith("environment: EXPORTER_\\udcff: unknown variable; ")


def test_auto_is_the_ordinal_at_the_end_of_the_host_name(monkeypatch: pytest.MonkeyPatch) -> None:
    base = {**BASE, "sharding": {"shards": 4, "shard": "auto"}}
    monkeypatch.setattr(socket, "gethostname", lambda: "exporter-2.monitoring.svc")

    assert load(None, {"HOSTNAME": "exporter-3"}, base).sharding.shard == 3
    assert load(None, {}, base).sharding.shard == 2
    assert refused({"HOSTNAME": "exporter-4"}, base) == [
        'built-in settings: sharding.shard: expected a number below sharding.shards (4), not "4"'
    ]
