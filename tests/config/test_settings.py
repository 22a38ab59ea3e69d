"""The settings that come out: values, defaults, the shipped examples, a service nobody knew."""

import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from exporter import services
from exporter.config import Cloud, load, reference
from exporter.config.urls import split_listen
from exporter.model.errors import SettingsError
from exporter.model.units import UNITS, duration_text, rate, seconds
from tests.known import ADAPTERS, LIMITS

CONFIG = Path(__file__).parents[2] / "config"
PROJECT = """\
projects:
  prod:
    region: cn-north-4
    project_id: 05f2
    credentials: {access_key: {key_id: AK, secret: SK}}
"""
File = Callable[[str], Path]


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("30s", 30), ("5m", 300), ("1h", 3600), ("1d", 86400), ("500ms", 0.5), ("1h30m", 5400), ("1.5h", 5400)],
)
def test_a_duration_is_seconds(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(
    "text", ["", "s", "30", "1.5", "-5s", "5 s", "5S", "30m1h", "5s5s", "1e3s", "٣s", "1h 30m", "5w"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        seconds(text)


@given(st.integers(min_value=0, max_value=3650 * UNITS["d"]).map(lambda count: count / 1000))
def test_a_duration_survives_being_written_and_read(value: float) -> None:
    assert seconds(duration_text(value)) == value


@given(st.text())
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    try:
        assert seconds(text) >= 0
    except ValueError as error:
        assert str(error).startswith("expected a duration")  # noqa: PT017 -- most texts are refused


@pytest.mark.parametrize(("text", "value"), [("1.8/s", 1.8), ("120/m", 2), ("3600/h", 1), ("5/s", 5)])
def test_a_rate_is_calls_a_second(text: str, value: float) -> None:
    assert Decimal(str(rate(text))) == Decimal(str(value))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0.0.0:10926", ("0.0.0.0:10926",)),
        ("'[::1]:10926'", ("[::1]:10926",)),
        ("':10926'", (":10926",)),
        ("[localhost:0, '[::1]:1']", ("localhost:0", "[::1]:1")),
    ],
)
def test_one_address_or_several_are_listened_on(file: File, text: str, expected: tuple[str, ...]) -> None:
    path = file(f"web: {{listen_address: {text}}}\n{PROJECT}jobs: [{{service: dli, job_id: a}}]")

    assert load(path, {}).web.listen_address == expected


@pytest.mark.parametrize("text", ["127.0.0.1:1,[::1]:2", " 127.0.0.1:1, [::1]:2 ,", '["127.0.0.1:1", "[::1]:2"]'])
def test_a_variable_gives_several_addresses_with_commas_or_as_json(file: File, text: str) -> None:
    path = file(f"{PROJECT}jobs: [{{service: dli, job_id: a}}]")

    assert load(path, {"EXPORTER_WEB__LISTEN_ADDRESS": text}).web.listen_address == ("127.0.0.1:1", "[::1]:2")


@pytest.mark.parametrize("text", ["[::]:9999", " [::1]:1, [::1]:2"])
def test_a_variable_gives_an_address_that_begins_with_a_bracket(file: File, text: str) -> None:
    path = file(f"{PROJECT}jobs: [{{service: dli, job_id: a}}]")

    found = load(path, {"EXPORTER_WEB__LISTEN_ADDRESS": text}).web.listen_address
    assert found == tuple(part.strip() for part in text.split(","))


@pytest.mark.parametrize("text", ["jobs.example.com,[fd00::1]", '["jobs.example.com", "[fd00::1]"]'])
def test_a_variable_gives_several_names_with_commas_or_as_json(file: File, text: str) -> None:
    path = file(f"{PROJECT}jobs: [{{service: dli, job_id: a}}]")

    assert load(path, {"EXPORTER_WEB__ALLOWED_HOSTS": text}).web.allowed_hosts == ("jobs.example.com", "[fd00::1]")


def test_a_variable_gives_a_pattern_that_begins_with_a_bracket(file: File) -> None:
    path = file(f"{PROJECT}jobs: [{{service: dli, job_id: a}}]")

    (found,) = load(path, {"EXPORTER_JOB_FILES": "[a-z]*.yaml"}).job_files
    assert found.endswith("[a-z]*.yaml")


@pytest.mark.parametrize(
    ("host", "address"), [("0.0.0.0", "0.0.0.0:10926"), ("::1", "[::1]:10926"), ("", ":10926"), ("a", "a:10926")]
)
def test_an_address_has_a_host_and_a_port(host: str, address: str) -> None:
    assert split_listen(address) == (host, 10926)


@pytest.mark.parametrize(
    "url",
    [
        "https://dli.example.com",
        "https://[2001:db8::1]:8443/",
        "http://127.8.8.8:1",
        "http://[::1]",
        "http://localhost",
    ],
)
def test_an_endpoint_is_https_or_on_this_machine(file: File, url: str) -> None:
    text = f"{PROJECT}    cloud: custom\n    endpoints: {{dli: '{url}', iam: }}\njobs: [{{service: dli, job_id: a}}]"

    assert load(file(text), {}).projects["prod"].endpoints == {"dli": url.rstrip("/")}


def test_every_key_of_a_project_arrives(file: File) -> None:
    text = f"""{PROJECT}    cloud: otc
    ca_file: ca.pem
    proxy: http://u:p@proxy:3128
    time_zone: Asia/Shanghai
    limits: {{cdm: 120/m}}
jobs: [{{service: dli, job_id: a}}]
"""
    path = file(text)
    trustme.CA().cert_pem.write_to_path("ca.pem")
    project = load(path, {}).projects["prod"]

    assert project.cloud is Cloud.OTC
    assert project.ca_file == Path("ca.pem").absolute()
    assert project.proxy == "http://u:p@proxy:3128"
    assert project.time_zone == ZoneInfo("Asia/Shanghai")
    assert project.limits == {**LIMITS, "cdm": 2}


def test_the_same_name_in_two_services_is_two_jobs(file: File) -> None:
    text = f"{PROJECT}jobs: [{{service: dli, job_id: a, name: x}}, {{service: dws, job_id: a, name: x}}]"

    assert [job.key for job in load(file(text), {}).jobs] == [("dli", "x"), ("dws", "x")]


@pytest.mark.parametrize(
    "harmless",
    [
        "job_files: []",
        "job_files:",
        "discovery: []",
        "journal:",
        "web: {enable_lifecycle: false}",
        "poll: {list_interval: 45s}",
    ],
)
def test_what_changes_nothing_may_be_written(file: File, harmless: str) -> None:
    assert load(file(f"{harmless}\n{PROJECT}jobs: [{{service: dli, job_id: a}}]"), {}).journal is None


@pytest.mark.parametrize(("name", "jobs"), [("exporter", 3), ("minimal", 3), ("sidecar", 1)])
def test_a_shipped_example_is_valid_as_it_stands(name: str, jobs: int) -> None:
    assert len(load(CONFIG / f"{name}.yaml", {}).jobs) == jobs


def test_the_shipped_example_says_what_the_defaults_are(file: File) -> None:
    shipped = load(CONFIG / "exporter.yaml", {})
    bare = load(file(f"{PROJECT}jobs: [{{service: dli, job_id: a}}]"), {})

    for section in ("log", "web", "poll", "metrics", "sharding", "journal", "job_files", "discovery"):
        assert getattr(shipped, section) == getattr(bare, section)
    assert shipped.projects["prod"].limits == bare.projects["prod"].limits


def test_the_shipped_example_has_every_key() -> None:
    text = (CONFIG / "exporter.yaml").read_text()
    keys = {line.strip().lstrip("#- ").partition(":")[0] for line in text.splitlines()}
    others = [each for name, each in ADAPTERS.items() if f"service: {name}" not in text]
    theirs = {field for each in others for field in each.entry.model_fields}
    theirs |= {field for each in others if each.lists for field in each.lists.rule.model_fields}

    assert {row.path.rpartition(".")[2] for row in reference()} - theirs <= keys


def test_every_key_is_described_and_shows_its_default() -> None:
    rows = {row.path: row for row in reference()}

    assert all(row.description.endswith(".") and row.description[0].isupper() for row in rows.values())
    assert len({row.description for row in rows.values() if "[]" not in row.path}) == len(
        [path for path in rows if "[]" not in path]
    )
    assert rows["poll.idle_interval"].default == "5m"
    assert rows["web.enable_lifecycle"].default == "false"
    assert rows["log.level"].default == "info"
    assert "cdm: 1.8/s, cdm_list: 1.8/s, dataarts: 2/s, dli: 5/s" in rows["projects.<name>.limits"].default
    assert rows["projects.<name>.region"].default == ""
    assert {"jobs[].service", "jobs[].job_id", "jobs[].cluster_id"} <= set(rows)


WITH_OBS = ", ".join(sorted([*ADAPTERS, "obs"]))
SOURCE = """
from exporter.services.adapter import Adapter, Hosts, JobEntry


class ObsEntry(JobEntry):
    bucket: str
    depth: int = 3

    @property
    def default_name(self):
        return self.bucket


class Obs(Adapter):
    service = "obs"
    entry = ObsEntry
    hosts = Hosts({"huaweicloud": "https://obs.{region}.example.com"})
    limits = {"obs": 7.0}

    def request(self, job, project_id): ...
    def snapshot(self, fields, job): ...


ADAPTER = Obs()
"""


@pytest.fixture
def fourth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put a fourth service beside the three."""
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "obs.py").write_text(SOURCE)
    monkeypatch.setattr(services, "__path__", [*services.__path__, str(folder)])
    yield
    sys.modules.pop("exporter.services.registry.obs", None)
    vars(services).pop("obs", None)


@pytest.mark.usefixtures("fourth")
def test_a_fourth_service_brings_its_own_fields_limits_and_endpoint(file: File) -> None:
    text = f"""{PROJECT}    endpoints: {{obs: 'https://obs.example.com'}}
    limits: {{obs: 3/s}}
jobs: [{{service: obs, bucket: logs, interval: 5s}}, {{service: obs, bucket: more, depth: "9"}}]
"""
    settings = load(file(text), {})

    assert settings.jobs[0].target == {"bucket": "logs", "depth": "3"}
    assert settings.jobs[1].target == {"bucket": "more", "depth": "9"}
    assert settings.projects["prod"].limits["obs"] == 3
    assert {"jobs[].bucket"} <= {row.path for row in reference()}


@pytest.mark.usefixtures("fourth")
def test_a_fourth_service_is_known_in_mistakes(file: File) -> None:
    text = f"{PROJECT}    cloud: otc\njobs: [{{service: ecs}}, {{service: obs, bucke: x}}]"
    with pytest.raises(SettingsError) as caught:
        load(file(text), {})

    assert list(caught.value.mistakes) == [
        (
            "exporter.yaml:2: projects.prod.endpoints.obs: required but missing: cloud otc has no usual one, "
            "and jobs[1] needs it"
        ),
        f'exporter.yaml:7: jobs[0].service: unknown service "ecs"; known are {WITH_OBS}',
        'exporter.yaml:7: jobs[1].bucke: unknown key; did you mean "bucket"?',
    ]
