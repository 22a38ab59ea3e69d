"""Every kind of mistake, word for word: the project and the jobs of each case are right unless it says otherwise."""

from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.config import files, load
from exporter.model.errors import SettingsError
from exporter.model.messages import nearest
from tests.known import ENDPOINTS, SERVICES, SUCH

Mistakes = Callable[..., list[str]]

PROJECT = """\
projects:
  prod:
    region: cn-north-4
    project_id: 05f2
    credentials: {access_key: {key_id: AK, secret: SK}}
"""
NO_JOB = (
    "jobs: no job is registered; list at least one under jobs or in EXPORTER_JOBS, or set job_files or discovery;"
    " the command `discover` prints the jobs that exist and needs only projects"
)
NO_NAME = "web.allowed_hosts[0]: expected a name such as exporter.example.com, without scheme and port, not"
JOBS = 'jobs: [{service: dli, job_id: "1"}]\n'

BY_PLACE = "name a zone by a place, such as Asia/Shanghai, not by an offset or an abbreviation"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("poll: {intervall: 3s}", 'poll.intervall: unknown key; did you mean "interval"?'),
        ("polls: {interval: 3s}", 'polls: unknown key; did you mean "poll"?'),
        (
            "metrics: {job_labels: [a-b, a.b]}",
            'metrics.job_labels: "a.b" becomes the label label_a_b, as "a-b" does; rename one of both',
        ),
        (
            "metrics: {labels: {job: label_team}, job_labels: [team]}",
            'metrics.job_labels: "team" becomes the label label_team, as metrics.labels.job does; rename one of both',
        ),
        (
            "metrics: {duration_buckets: [5m]}",
            'metrics.duration_buckets[0]: expected a number of seconds above 0, such as 60, not "5m"',
        ),
        (
            "metrics: {duration_buckets: [60, 5]}",
            "metrics.duration_buckets: expected each bound once, from low to high",
        ),
        ("metrics: {labels: {x: y}}", "metrics.labels.x: unknown key; known are job, service"),
        ("poll: {interval: fast}", 'poll.interval: expected a duration such as 30s or 5m, not "fast"'),
        ("poll: {interval: 30}", 'poll.interval: expected a duration with its unit, such as 30s, not "30"'),
        ("poll: {interval: [30s]}", "poll.interval: expected a duration such as 30s or 5m, not a list"),
        ("poll: {interval: {a: b}}", "poll.interval: expected a duration such as 30s or 5m, not a mapping"),
        ("poll: {interval: 500ms}", "poll.interval: expected at least 1s, not 500ms"),
        ("poll: {idle_interval: 0}", "poll.idle_interval: expected at least 1s, not 0s"),
        ("poll: {timeout: 0s}", "poll.timeout: expected at least 1ms, not 0s"),
        ("poll: {retention: 4000d}", 'poll.retention: expected a duration of at most 3650d, not "4000d"'),
        ("poll: {concurrency: many}", 'poll.concurrency: expected a whole number, not "many"'),
        ("poll: {concurrency: 0}", "poll.concurrency: expected at least 1, not 0"),
        ("web: {linger_scrapes: 2}", "web.linger_scrapes: it needs web.linger, the longest time to wait for them"),
        ("poll: {stale_after: 5m}", "poll.stale_after: expected longer than poll.idle_interval (5m), not 5m"),
        ("poll: {idle_interval: 10m}", "poll.stale_after: expected longer than poll.idle_interval (10m), not 10m"),
        ("poll: 30s", "poll: expected a mapping of settings, not text; write it as {interval: ...}"),
        ("poll: [30s]", "poll: expected a mapping of settings, not a list; write it as {interval: ...}"),
        ("log: {level: loud}", 'log.level: expected one of debug, info, warning, error, not "loud"'),
        ("log: {format: xml}", 'log.format: expected one of json, console, not "xml"'),
        (
            'web: {listen_address: "::1:99"}',
            'web.listen_address: expected host:port such as 0.0.0.0:10926, [::1]:10926 or :10926, not "::1:99"',
        ),
        (
            "web: {listen_address: 300.1.1.1:80}",
            'web.listen_address: expected host:port such as 0.0.0.0:10926, [::1]:10926 or :10926, not "300.1.1.1:80"',
        ),
        (
            'web: {listen_address: ":70000"}',
            'web.listen_address: expected host:port such as 0.0.0.0:10926, [::1]:10926 or :10926, not ":70000"',
        ),
        (
            "metrics: {labels: {job: 9a}}",
            (
                "metrics.labels.job: expected a label name of letters, digits and underscores that starts with no "
                'digit, not "9a"'
            ),
        ),
        (
            "metrics: {labels: {job: __job}}",
            'metrics.labels.job: "__job" starts with two underscores, which Prometheus keeps for itself',
        ),
        (
            "metrics: {labels: {job: region}}",
            'metrics.labels.job: another metric has a label "region" already; choose another name',
        ),
        (
            "metrics: {labels: {service: x, job: x}}",
            'metrics.labels.job: expected another name than metrics.labels.service, "x"',
        ),
        (
            "metrics: {labels: {service: job}}",
            'metrics.labels.job: expected another name than metrics.labels.service, "job"',
        ),
        ("metrics: {max_series: -1}", 'metrics.max_series: expected a whole number, not "-1"'),
        ("sharding: {shards: 2, shard: 2}", 'sharding.shard: expected a number below sharding.shards (2), not "2"'),
        (
            "sharding: {shards: 2, shard: auto}",
            'sharding.shard: auto needs a host name that ends in its ordinal, such as exporter-3, not "box7"',
        ),
        ("job_files: jobs.d/*.yaml", "job_files: expected a list, not text; write it as [...]"),
        ('job_files: [""]', "job_files[0]: expected a pattern of files such as jobs.d/*.yaml"),
        ("job_files: [[a]]", "job_files[0]: expected a pattern of files, not a list"),
        (
            "web: {listen_address: []}",
            "web.listen_address: expected host:port, or a list of such addresses, not a list",
        ),
        (
            "web: {listen_address: {a: b}}",
            "web.listen_address: expected host:port, or a list of such addresses, not a mapping",
        ),
        (
            "web: {listen_address: [':1', [':2']]}",
            "web.listen_address: expected a list of addresses such as 127.0.0.1:10926, not a list",
        ),
        (
            "web: {listen_address: [':1', 'vsock://:1']}",
            'web.listen_address: expected host:port such as 0.0.0.0:10926, [::1]:10926 or :10926, not "vsock://:1"',
        ),
        (
            "web: {allowed_hosts: [https://jobs.example.com]}",
            f'{NO_NAME} "https://jobs.example.com"',
        ),
        (
            "web: {allowed_hosts: ['jobs.example.com:80']}",
            f'{NO_NAME} "jobs.example.com:80"',
        ),
        (
            "web: {allowed_hosts: ['*.example.com']}",
            f'{NO_NAME} "*.example.com"',
        ),
        (
            "web: {external_url: jobs.example.com}",
            'web.external_url: expected a URL such as https://jobs.example.com, not "jobs.example.com"',
        ),
        ("web: {external_url: 'https://jobs.example.com?a=b'}", "web.external_url: expected a URL without a query"),
        ("web: {max_connections: 0}", "web.max_connections: expected at least 1, not 0"),
        ("web: {config_file: ''}", "web.config_file: expected the path of a file"),
        ("web: {config_file: [web.yml]}", "web.config_file: expected the path of a file, not a list"),
    ],
)
def test_a_setting_that_is_wrong_is_told_with_its_line(mistakes: Mistakes, line: str, expected: str) -> None:
    assert mistakes(f"{line}\n{PROJECT}{JOBS}", {"HOSTNAME": "box7"}) == [f"exporter.yaml:1: {expected}"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cloud: aws", 'cloud: expected one of huaweicloud, otc, custom, not "aws"'),
        ("endpoints: {dlii: 'https://a'}", 'endpoints.dlii: unknown service "dlii"; did you mean "dli"?'),
        ("endpoints: {x: 'https://a'}", f'endpoints.x: unknown service "x"; known are {ENDPOINTS}'),
        ("endpoints: {dli: 'http://a'}", "endpoints.dli: expected https; http is for loopback addresses only"),
        ("endpoints: {dli: a}", 'endpoints.dli: expected a URL such as https://dli.example.com, not "a"'),
        (
            "endpoints: {dli: 'https://a:99999'}",
            'endpoints.dli: expected a URL such as https://dli.example.com, not "https://a:99999"',
        ),
        ("endpoints: {dli: 'https://a/b'}", "endpoints.dli: expected only scheme, host and port; no path and no query"),
        ("endpoints: {dli: 'https://a?b'}", "endpoints.dli: expected only scheme, host and port; no path and no query"),
        (
            "endpoints: {dli: 'https://u:hunter2@a'}",
            "endpoints.dli: expected a URL without a user and a password; those belong under credentials",
        ),
        ("ca_file: ca.pem", "ca_file: there is no such file; mount it or correct the path"),
        ("ca_file: exporter.yaml", "ca_file: the file holds no certificates in PEM form; convert it to PEM"),
        ("proxy: 'socks5://proxy'", 'proxy: expected a URL such as http://proxy:3128, not "socks5://proxy"'),
        ("proxy: 'ftp://u:hunter2@proxy'", "proxy: expected a URL such as http://proxy:3128"),
        ("time_zone: Asia/Shangai", 'time_zone: unknown time zone "Asia/Shangai"; did you mean "Asia/Shanghai"?'),
        ("time_zone: Asia", 'time_zone: unknown time zone "Asia"; did you mean "Asia/Aden"?'),
        ("time_zone: UTC+8", f'time_zone: unknown time zone "UTC+8"; {BY_PLACE}'),
        ("time_zone: '+08:00'", f'time_zone: unknown time zone "+08:00"; {BY_PLACE}'),
        ("time_zone: CST", f'time_zone: unknown time zone "CST"; {BY_PLACE}'),
        ("limits: {cdm: fast}", 'limits.cdm: expected a rate such as 5/s or 120/m, not "fast"'),
        ("limits: [cdm]", "limits: expected a mapping of settings, not a list; write it as {key: ...}"),
        ("limits: {cdm: 0/s}", 'limits.cdm: expected a rate such as 5/s or 120/m, not "0/s"'),
        ("limits: {cdmlist: 1/s}", 'limits.cdmlist: unknown limit "cdmlist"; did you mean "cdm_list"?'),
        (
            "cloud: custom",
            "endpoints.dli: required but missing: cloud custom has no usual one, and jobs[0] needs it",
        ),
    ],
)
def test_a_project_that_is_wrong_is_told_with_its_line(mistakes: Mistakes, line: str, expected: str) -> None:
    (told,) = mistakes(f"{PROJECT}    {line}\n{JOBS}")
    place, _, sentence = told.partition(": projects.prod.")

    # a mistake of leaving out stands at the project
    assert place == ("exporter.yaml:2" if "required but missing" in expected else "exporter.yaml:6")
    if line != "time_zone: Asia":
        assert sentence == expected
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("project", "expected"),
    [
        (
            "prod: {project_id: p, credentials: {token: t}}",
            "projects.prod.region: required but missing: The region of the project, such as cn-north-4",
        ),
        (
            "prod: {region: r, cloud: custom, endpoints: {dli: https://a}, credentials: {token: t}}",
            (
                "projects.prod.endpoints.iam: required but missing: cloud custom has no usual one, "
                "and without project_id it is needed"
            ),
        ),
        (
            (
                "prod: {region: r, project_id: p, cloud: custom, endpoints: {dli: https://a}, "
                "credentials: {password: {domain: d, user: u, password: p}}}"
            ),
            (
                "projects.prod.endpoints.iam: required but missing: cloud custom has no usual one, "
                "and with credentials.password it is needed"
            ),
        ),
        (
            "prod: {region: r, project_id: p}",
            (
                "projects.prod.credentials: required but missing: The credentials, exactly one of access_key, password,"
                " token, token_file, metadata and pod_identity; without it HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK"
                " are used, else the variables of other tools"
            ),
        ),
        (
            "prod: {region: 'a b', project_id: p, credentials: {token: t}}",
            'projects.prod.region: expected a region such as cn-north-4, not "a b"',
        ),
        (
            "prod: {region: r, project_id: '', credentials: {token: t}}",
            "projects.prod.project_id: expected text; this is empty",
        ),
        (
            "Prod: {region: r, project_id: p, credentials: {token: t}}",
            (
                'projects.Prod: "Prod" cannot name a project; expected small letters, digits, - and _, and no two _ '
                "beside each other"
            ),
        ),
        (
            "a__b: {region: r, project_id: p, credentials: {token: t}}",
            (
                'projects.a__b: "a__b" cannot name a project; expected small letters, digits, - and _, and no two _ '
                "beside each other"
            ),
        ),
        ("prod: production", "projects.prod: expected a mapping of settings, not text; write it as {region: ...}"),
    ],
)
def test_a_project_that_lacks_something_is_told(mistakes: Mistakes, project: str, expected: str) -> None:
    assert mistakes(f"projects:\n  {project}\n{JOBS}") == [f"exporter.yaml:2: {expected}"]


TABLE = "expected a mapping of settings, not text; write it as"
ONE_TEXT = "expected text, not a list; give one, and put text that holds brackets in quotes"
NO_BRACES = "expected text, not a mapping; put text that holds braces in quotes"
ONE = "expected exactly one of"
KINDS = f"{ONE} access_key, password, token, token_file, metadata and pod_identity"


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        ("{}", [f": {KINDS}; given is none"]),
        ("{token: t, token_file: ok}", [f": {KINDS}; given are token and token_file"]),
        ("{token: t, access_key: {key_id: a, secret: b}}", [f": {KINDS}; given are access_key and token"]),
        ("{access_key: {key_id: a}}", [f".access_key: {ONE} secret and secret_file; given is none"]),
        (
            "{access_key: {key_id: a, key_id_file: ok, secret: b}}",
            [f".access_key: {ONE} key_id and key_id_file; given are key_id and key_id_file"],
        ),
        (
            "{access_key: {key_id: a, secret: b, security_token: t, security_token_file: ok}}",
            [
                (
                    ".access_key: expected at most one of security_token and security_token_file; "
                    "given are security_token and security_token_file"
                )
            ],
        ),
        ("{access_key: {key_id: a, secret: [hunter2]}}", [f".access_key.secret: {ONE_TEXT}"]),
        (
            "{access_key: {key_id: a, secret: ''}}",
            [".access_key.secret: expected text; this is empty"],
        ),
        (
            '{access_key: {key_id: a, secret: "hunter2\\nx"}}',
            [".access_key.secret: expected one line of printable ASCII characters"],
        ),
        ("{token: {hunter2: x}}", [f".token: {NO_BRACES}"]),
        ("hunter2", [f": {TABLE} {{access_key: ...}}"]),
        ("{access_key: hunter2}", [f".access_key: {TABLE} {{key_id: ...}}"]),
        ("{token_file: hunter2}", [".token_file: there is no such file; mount it or correct the path"]),
        ("{token_file: empty}", [".token_file: the file is empty; write the secret into it"]),
        ("{token_file: nothing}", [".token_file: the file is empty; write into it what it is for"]),
        ("{token_file: lines}", [".token_file: the file must hold one line of printable ASCII characters"]),
        ("{token_file: bytes}", [".token_file: the file must hold one line of printable ASCII characters"]),
        ("{token_file: .}", [".token_file: this is a directory; name the file in it"]),
        ("{token_file: /dev/null}", [".token_file: this is a device; name a regular file"]),
        ("{token_file: big}", [".token_file: the file is larger than 1 MiB"]),
        ('{token_file: "a\\0b"}', [".token_file: expected the path of a file"]),
        (f"{{token_file: {'x' * 5000}}}", [".token_file: the file cannot be read: File name too long"]),
        (
            "{password: {domain: d, user: u}}",
            [".password: expected exactly one of password and password_file; given is none"],
        ),
        (
            "{password: {password: hunter2}}",
            [
                ".password.domain: required but missing: The name of the account that the IAM user belongs to",
                ".password.user: required but missing: The name of the IAM user",
            ],
        ),
        ("{metadata: hunter2}", [f".metadata: {TABLE} {{}}"]),
        ("{pod_identity: hunter2}", [f".pod_identity: {TABLE} {{}}"]),
        ("{metadata: {url: x}}", [".metadata.url: unknown key"]),
    ],
)
def test_credentials_that_are_wrong_are_told_and_never_shown(
    mistakes: Mistakes, file: Callable[[str], Path], credentials: str, expected: list[str]
) -> None:
    for name, content in {
        "ok": b"secret\n",
        "empty": b" \n",
        "nothing": b"",
        "lines": b"hunter2\nhunter2",
        "bytes": b"hunter2\xff",
        "big": b"x" * (1 << 20) + b"x",
    }.items():
        Path(name).write_bytes(content)
    told = mistakes(f"projects:\n  prod: {{region: r, project_id: p, credentials: {credentials}}}\n{JOBS}")

    assert told == [f"exporter.yaml:2: projects.prod.credentials{sentence}" for sentence in expected]


def test_a_secret_that_may_not_be_read_is_told_with_its_remedy(
    mistakes: Mistakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bytes:
        with monkeypatch.context() as patched:
            patched.setattr(files, "read_regular", _denied)
            return read(path)

    read = files.read_file
    monkeypatch.setattr(files, "read_file", refuse)
    told = mistakes(
        f"projects: {{prod: {{region: r, project_id: p, credentials: {{token_file: exporter.yaml}}}}}}\n{JOBS}"
    )

    assert told == [
        (
            "exporter.yaml:1: projects.prod.credentials.token_file: no permission to read the file; "
            "let the exporter's user read it"
        )
    ]


def _denied(path: Path, most: int) -> None:
    raise PermissionError(13, "Permission denied", str(path))


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("{service: ecs}", f'[1].service: unknown service "ecs"; known are {SERVICES}'),
        ("{job_id: '2'}", "[1].service: required but missing: The service that runs the job"),
        ("{service: '', job_id: '2'}", "[1].service: expected text; this is empty"),
        ("{service: [dli], job_id: '2'}", "[1].service: expected text, not a list"),
        ("{service: dws}", "[1]: expected job_id, of a task, or cluster_id, for what is under way on a cluster"),
        ("{service: dws, job_id: }", "[1]: expected job_id, of a task, or cluster_id, for what is under way on a"),
        ("{service: dws, cluster_id: ''}", "[1].cluster_id: expected text; this is empty"),
        ("{service: dws, job_id: ''}", "[1].job_id: expected text; this is empty"),
        ("{service: dws, job_id: ..}", '[1].job_id: expected a name that a URL can say; ".." means a folder there'),
        ("{service: dws, job_id: [1]}", "[1].job_id: expected text, not a list"),
        ("{service: dws, job_id: '2', name: ''}", "[1].name: expected text; this is empty"),
        ("{service: dws, job_id: '2', nam: x}", '[1].nam: unknown key; did you mean "name"?'),
        ("{service: dws, job_id: '2', cluster_id: x}", "[1]: expected job_id, of a task, or cluster_id, for what is"),
        ("{service: dws, job_id: '2', cluster: x}", '[1].cluster: unknown key; did you mean "cluster_id"?'),
        ("{service: dws, job_id: '2', project: prd}", '[1].project: unknown project "prd"; did you mean "prod"?'),
        ("{service: dws, job_id: '2', interval: 1ms}", "[1].interval: expected at least 1s, not 1ms"),
        ("text", f"[1]: expected a mapping such as {SUCH}, not text"),
        ("", f"[1]: expected a mapping such as {SUCH}, not nothing"),
        (
            "{service: dli, job_id: 1}",
            '[1]: the name "1" is taken among the dli jobs by exporter.yaml:7: jobs[0]; give it another',
        ),
        (
            "{service: dli, job_id: 2, name: 1}",
            '[1].name: the name "1" is taken among the dli jobs by exporter.yaml:7: jobs[0]; give it another',
        ),
    ],
)
def test_a_job_that_is_wrong_is_told_with_its_line(mistakes: Mistakes, entry: str, expected: str) -> None:
    (told,) = mistakes(f"{PROJECT}jobs:\n  - {{service: dli, job_id: 1}}\n  - {entry}\n")

    assert told.startswith(f"exporter.yaml:8: jobs{expected}")


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ("", f"exporter.yaml: {NO_JOB}"),
        ("jobs: []", f"exporter.yaml:6: {NO_JOB}"),
        ("jobs:", f"exporter.yaml:6: {NO_JOB}"),
        (
            "jobs: {}",
            ("exporter.yaml:6: jobs: expected a list of jobs, not a mapping; write each as - {service: dli, ...}"),
        ),
        ("jobs: dli", "exporter.yaml:6: jobs: expected a list of jobs, not text; write each as - {service: dli, ...}"),
    ],
)
def test_at_least_one_job_is_wanted(mistakes: Mistakes, jobs: str, expected: str) -> None:
    assert mistakes(f"{PROJECT}{jobs}\n") == [expected]


def test_a_job_names_its_project_where_there_are_two(mistakes: Mistakes) -> None:
    second = PROJECT.removeprefix("projects:\n").replace("prod", "test")

    assert mistakes(f"{PROJECT}{second}{JOBS}") == [
        "exporter.yaml:10: jobs[0].project: required but missing; one of prod, test"
    ]


def test_without_a_project_the_remedy_is_told(mistakes: Mistakes) -> None:
    assert mistakes(JOBS) == [
        (
            "exporter.yaml: projects: none is given; name one under projects, or set HUAWEICLOUD_SDK_AK and "
            "HUAWEICLOUD_SDK_SK"
        )
    ]


def test_every_mistake_is_told_at_once_in_the_order_of_the_file_and_the_environment_last(mistakes: Mistakes) -> None:
    text = """\
jobs:
  - {service: ecs}
  - {service: dli, job_id: a, project: x}
poll:
  intervall: 1s
  timeout: 5
poll: {}
projects:
  x:
    region: "?"
    credentials: {token: {}}
log: {level: 7}
"""
    assert mistakes(text, {"EXPORTER_WEB__LINGER": "long", "EXPORTER_NOISE": "x"}) == [
        f'exporter.yaml:2: jobs[0].service: unknown service "ecs"; known are {SERVICES}',
        'exporter.yaml:5: poll.intervall: unknown key; did you mean "interval"?',
        'exporter.yaml:6: poll.timeout: expected a duration with its unit, such as 5s, not "5"',
        'exporter.yaml:7: the key "poll" stands twice, first in line 4',
        'exporter.yaml:10: projects.x.region: expected a region such as cn-north-4, not "?"',
        f"exporter.yaml:11: projects.x.credentials.token: {NO_BRACES}",
        'exporter.yaml:12: log.level: expected one of debug, info, warning, error, not "7"',
        'environment: EXPORTER_NOISE: unknown variable; did you mean "EXPORTER_JOBS"?',
        'environment: EXPORTER_WEB__LINGER: expected a duration such as 30s or 5m, not "long"',
    ]


def test_a_mistake_is_one_printable_line_whatever_it_repeats(mistakes: Mistakes) -> None:
    (told,) = mistakes(f'log: {{level: "a\\n\\x1b[2J{"x" * 99}"}}\n{PROJECT}{JOBS}')

    assert told.isprintable()
    assert "a\\n\\x1b[2Jxxx" in told
    assert told.endswith('x..."')


def test_neither_the_settings_nor_the_error_hold_a_secret_in_sight(file: Callable[[str], Path]) -> None:
    text = f"{PROJECT}    proxy: http://me:hunter2@proxy:3128\n{JOBS}".replace("SK", "hunter2").replace("AK", "hunter2")

    settings = load(file(text), {})

    assert "hunter2" not in f"{settings!r} {settings} {settings.projects['prod'].credentials!r}"
    with pytest.raises(SettingsError) as caught:
        load(file(text.replace("credentials: {", "credentials: {token: hunter2, ")), {})
    assert "hunter2" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("word", ["SELECT", "select"])
def test_what_is_no_slip_of_a_known_word_gets_all_of_them(word: str) -> None:
    assert nearest(word, ["DELETE", "QUERY", "INSERT"]) is None
    assert nearest("tags.", ["tags.<key>", "job_id"]) == "tags.<key>"
    assert nearest("QERY", ["DELETE", "QUERY", "INSERT"]) == "QUERY"


def test_endpoints_that_cannot_be_read_are_one_mistake(tmp_path: Path) -> None:
    file = tmp_path / "exporter.yaml"
    project = "{region: a-1, cloud: custom, endpoints: x, credentials: {token: T}}"
    file.write_text(f"projects: {{p: {project}}}\njobs: [{{service: dli, job_id: a}}]\n")

    with pytest.raises(SettingsError) as caught:
        load(file, {})
    assert caught.value.mistakes == (f"{file}:1: projects.p.endpoints: {TABLE} {{key: ...}}",)


def test_no_file_is_named_by_an_empty_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EXPORTER_CONFIG", "")

    assert main(["check"]) == 1
    assert "directory" not in capsys.readouterr().err
