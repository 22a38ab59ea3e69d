"""The variables of the vendor's tools: who, where, and what half of them means."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from exporter.config import ProjectSettings, load, pod_env
from exporter.model.errors import SettingsError
from exporter.services import registry

JOBS = {"EXPORTER_JOBS": '[{"service": "dli", "job_id": "1"}]'}
REGION = {"HW_REGION_NAME": "eu-de"}
AK = {"HUAWEICLOUD_SDK_AK": "AK", "HUAWEICLOUD_SDK_SK": "SK"}
HW_USER = {"HW_USER_NAME": "u", "HW_USER_PASSWORD": "hunter2", "HW_DOMAIN_NAME": "d"}
OS_USER = {"OS_USERNAME": "u", "OS_PASSWORD": "hunter2", "OS_USER_DOMAIN_NAME": "d"}
PROD: Mapping[str, Any] = {"region": "eu-de", "credentials": {"token": "T"}}


def only(environ: Mapping[str, str], project: Mapping[str, Any] | None = None) -> ProjectSettings:
    """Return the one project."""
    base = {"projects": {"prod": project}} if project is not None else None
    (made,) = load(None, {**REGION, **JOBS, **environ}, base).projects.values()
    return made


def refused(environ: Mapping[str, str], base: Mapping[str, Any] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(None, {**REGION, **JOBS, **environ}, base)
    assert "hunter2" not in str(caught.value)
    return list(caught.value.mistakes)


def kind(project: ProjectSettings) -> dict[str, Any]:
    """Return the credentials with their secrets in the clear."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items() if inner is not None}
        return value.get_secret_value() if hasattr(value, "get_secret_value") else value

    told = plain(project.credentials.model_dump())
    assert isinstance(told, dict)
    return told


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (AK, {"access_key": {"key_id": "AK", "secret": "SK"}}),
        ({"OS_ACCESS_KEY_ID": "AK", "OS_ACCESS_KEY_SECRET": "SK"}, {"access_key": {"key_id": "AK", "secret": "SK"}}),
        (
            {"OS_AK": "AK", "OS_SK": "SK", "OS_SECURITY_TOKEN": "ST"},
            {"access_key": {"key_id": "AK", "secret": "SK", "security_token": "ST"}},
        ),
        ({"HW_AUTH_TOKEN": "T"}, {"token": "T"}),
        ({"OS_TOKEN": "T"}, {"token": "T"}),
        (HW_USER, {"password": {"domain": "d", "user": "u", "password": "hunter2"}}),
        (OS_USER, {"password": {"domain": "d", "user": "u", "password": "hunter2"}}),
        (
            {"OS_USERNAME": "u", "OS_PASSWORD": "p", "OS_DOMAIN_NAME": "d"},
            {"password": {"domain": "d", "user": "u", "password": "p"}},
        ),
    ],
)
def test_every_family_makes_its_kind_of_credentials(environ: dict[str, str], expected: dict[str, Any]) -> None:
    made = only(environ)

    assert kind(made) == expected
    assert made.project_id is None
    assert kind(only(environ, {"region": "eu-de"})) == expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({**AK, "HW_AUTH_TOKEN": "T", **OS_USER}, "access_key"),
        ({"OS_AK": "a", "OS_SK": "b", "HW_AUTH_TOKEN": "T", **HW_USER}, "access_key"),
        ({"OS_TOKEN": "T", **HW_USER}, "token"),
        ({**AK, "HW_DOMAIN_NAME": "d", "OS_USERNAME": "u"}, "access_key"),
    ],
)
def test_keys_come_before_tokens_before_passwords(environ: dict[str, str], expected: str) -> None:
    assert list(kind(only(environ))) == [expected]


def test_of_two_tools_the_vendors_own_counts() -> None:
    assert kind(only({"HW_AUTH_TOKEN": "H", "OS_TOKEN": "O"})) == {"token": "H"}
    assert kind(only({**OS_USER, **HW_USER, "HW_USER_NAME": "h"}))["password"]["user"] == "h"
    assert kind(only({**OS_USER, "OS_DOMAIN_NAME": "other"}))["password"]["domain"] == "d"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"OS_AK": "a"}, "OS_SK: missing, while OS_AK is set; set both or none"),
        (
            {"OS_ACCESS_KEY_SECRET": "hunter2"},
            "OS_ACCESS_KEY_ID: missing, while OS_ACCESS_KEY_SECRET is set; set both or none",
        ),
        (
            {"HW_USER_NAME": "u", "HW_USER_PASSWORD": "hunter2"},
            "HW_DOMAIN_NAME: missing, while HW_USER_NAME is set; set all or none",
        ),
        (
            {"OS_PASSWORD": "hunter2"},
            "OS_USERNAME: missing like OS_USER_DOMAIN_NAME, while OS_PASSWORD is set; set all or none",
        ),
        ({"OS_AK": "a", **HW_USER}, "OS_SK: missing, while OS_AK is set; set both or none"),
    ],
)
def test_half_a_family_is_one_mistake(environ: dict[str, str], expected: str) -> None:
    assert refused(environ) == [f"environment: {expected}"]


@pytest.mark.parametrize("name", ["HUAWEICLOUD_SDK_PROJECT_ID", "HW_PROJECT_ID", "OS_PROJECT_ID", "OS_TENANT_ID"])
def test_the_project_id_may_be_said_or_left_out(name: str) -> None:
    assert only({**AK, name: "0123"}).project_id == "0123"
    assert only(AK).project_id is None


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "huaweicloud"),
        ({"HW_CLOUD": "otc"}, "otc"),
        ({"HW_CLOUD": "myhuaweicloud.com"}, "huaweicloud"),
        ({"HW_CLOUD": "otc.t-systems.com"}, "otc"),
        ({"HW_CLOUD": "OTC"}, "otc"),
        ({"HW_CLOUD": "https://MyHuaweiCloud.com/"}, "huaweicloud"),
        ({"OS_AUTH_URL": "https://iam.eu-de.otc.t-systems.com:443/v3"}, "otc"),
        ({"OS_AUTH_URL": "https://iam-pub.eu-ch2.sc.otc.t-systems.com/v3"}, "otc"),
        ({"OS_AUTH_URL": "https://iam.eu-de.otc.t-systems.com/v3", "HW_CLOUD": "myhuaweicloud.com"}, "huaweicloud"),
        ({"OS_AUTH_URL": "https://evil-otc.t-systems.com/v3"}, "huaweicloud"),
        ({"OS_AUTH_URL": "https://iam.myhuaweicloud.com/v3"}, "huaweicloud"),
    ],
)
def test_the_cloud_is_told_by_its_name_or_by_the_address_of_its_iam(environ: dict[str, str], expected: str) -> None:
    assert only({**AK, **environ}).cloud == expected


@pytest.mark.parametrize("name", ["HW_PROJECT_NAME", "OS_PROJECT_NAME", "OS_TENANT_NAME"])
def test_a_project_is_scoped_by_its_name(name: str) -> None:
    made = only({**OS_USER, name: "eu-de_team"})

    assert (made.project_id, made.project_name) == (None, "eu-de_team")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"OS_PROJECT_ID": "1", "OS_PROJECT_NAME": "eu-de_team"}, ("1", None)),
        ({"OS_PROJECT_ID": "1", "HW_PROJECT_NAME": "eu-de_team"}, (None, "eu-de_team")),
        ({"HW_PROJECT_ID": "2", "HW_PROJECT_NAME": "eu-de_team"}, ("2", None)),
    ],
)
def test_of_a_projects_id_and_name_the_first_tool_counts_and_of_one_tool_the_id(
    environ: dict[str, str], expected: tuple[str | None, str | None]
) -> None:
    made = only({**AK, **environ})

    assert (made.project_id, made.project_name) == expected


def test_a_project_that_the_file_names_is_scoped_by_no_variable() -> None:
    made = only({"OS_PROJECT_ID": "1", "OS_TENANT_NAME": "x"}, {**PROD, "project_name": "eu-de_team"})

    assert (made.project_id, made.project_name) == (None, "eu-de_team")


@pytest.mark.parametrize(
    "written", ["prod-cloud-ocb.orange-business.com", "https://Prod-Cloud-OCB.orange-business.com."]
)
def test_a_partners_cloud_is_looked_for_below_its_domain(written: str) -> None:
    made = only({**AK, "HW_CLOUD": written, "HW_REGION_NAME": "eu-west-0"})

    assert made.cloud == "custom"
    assert made.endpoints["dws"] == "https://dws.eu-west-0.prod-cloud-ocb.orange-business.com"
    assert set(made.endpoints) == {"iam", *registry.load_services()}


@pytest.mark.parametrize("written", ["huawei", "localhost", "a b.com", "ftp://cloud.example", "-"])
def test_what_names_no_cloud_is_one_mistake_that_names_the_remedy(written: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(None, {**AK, **JOBS, "HW_REGION_NAME": "eu-de", "HW_CLOUD": written})

    (mistake,) = str(caught.value).splitlines()
    assert mistake.startswith(
        f'environment: HW_CLOUD: expected the domain of a cloud such as myhuaweicloud.com, not "{written}"'
    )
    assert "set cloud: custom and its endpoints" in mistake


def test_an_address_that_is_told_counts_before_the_domain_of_a_cloud() -> None:
    own = {**PROD, "endpoints": {"dli": "https://dli.example"}}
    made = only({"HW_CLOUD": "cloud.example", "HW_AUTH_URL": "https://iam.example/v3"}, own)

    assert (made.endpoints["dli"], made.endpoints["iam"]) == ("https://dli.example", "https://iam.example")
    assert made.endpoints["cdm"] == "https://cdm.eu-de.cloud.example"


FIELD_TOOLS = [
    "HUAWEICLOUD_SDK_AK",
    "HUAWEICLOUD_SDK_SK",
    "HUAWEICLOUD_SDK_SECURITY_TOKEN",
    "HUAWEICLOUD_SDK_PROJECT_ID",
    "HUAWEICLOUD_SDK_DOMAIN_ID",
    "HUAWEICLOUD_SDK_IDP_ID",
    "HUAWEICLOUD_SDK_ID_TOKEN_FILE",
    "HUAWEICLOUD_SDK_CREDENTIALS_FILE",
    "HUAWEICLOUD_SDK_REGIONS_FILE",
    "HUAWEICLOUD_SDK_IAM_ENDPOINT",
    "HUAWEICLOUD_SDK_STS_ENDPOINT",
    "HUAWEICLOUD_SDK_REGION_DLI_EU_DE",
    "HUAWEICLOUD_OIDC_PROVIDER_URN",
    "HUAWEICLOUD_OIDC_AGENCY_URN",
    "HUAWEICLOUD_OIDC_ID_TOKEN",
    "HUAWEICLOUD_OIDC_TOKEN_FILE",
    "HUAWEICLOUD_OIDC_SESSION_NAME",
    "HUAWEICLOUD_OIDC_DURATION_SECONDS",
    "HUAWEICLOUD_OIDC_POLICY",
    "HUAWEICLOUD_OIDC_POLICY_IDS",
    "HW_REGION_NAME",
    "HW_ACCESS_KEY",
    "HW_SECRET_KEY",
    "HW_SECURITY_TOKEN",
    "HW_DOMAIN_NAME",
    "HW_DOMAIN_ID",
    "HW_USER_NAME",
    "HW_USER_PASSWORD",
    "HW_PROJECT_ID",
    "HW_PROJECT_NAME",
    "HW_AUTH_URL",
    "HW_AUTH_TOKEN",
    "HW_CLOUD",
    "HW_INSECURE",
    "HW_MAX_RETRIES",
    "OS_CLOUD",
    "OS_CLIENT_CONFIG_FILE",
    "OS_CLIENT_SECURE_FILE",
    "OS_AUTH_URL",
    "OS_USERNAME",
    "OS_PASSWORD",
    "OS_USER_DOMAIN_NAME",
    "OS_DOMAIN_NAME",
    "OS_PROJECT_NAME",
    "OS_PROJECT_ID",
    "OS_TENANT_NAME",
    "OS_TENANT_ID",
    "OS_REGION_NAME",
    "OS_TOKEN",
    "OS_ACCESS_KEY",
    "OS_ACCESS_KEY_ID",
    "OS_AK",
    "OS_SECRET_KEY",
    "OS_ACCESS_KEY_SECRET",
    "OS_SK",
    "OS_SECURITY_TOKEN",
]


@pytest.mark.parametrize("name", FIELD_TOOLS)
def test_a_variable_of_the_fields_tools_is_honoured_or_told(name: str) -> None:
    """With it in place of nothing the project differs, or a sentence names it, or the start is refused by its name."""
    environ = {"HW_REGION_NAME": "eu-de", **JOBS, "HUAWEICLOUD_SDK_AK": "AK", "HUAWEICLOUD_SDK_SK": "SK"}
    environ.pop(name, None)
    value = "https://somewhere.example/v3" if "URL" in name or "ENDPOINT" in name else "otc"
    try:
        before = load(None, environ).projects
    except SettingsError:
        before = {}
    try:
        after = load(None, {**environ, name: value})
    except SettingsError as error:
        assert name in str(error)  # noqa: PT017 - or it is taken
    else:
        told = [sentence for sentence in after.without_effect if sentence.startswith(f"{name} is set")]
        assert bool(told) != (after.projects != before)


def test_of_what_the_configuration_says_itself_no_variable_is_told() -> None:
    environ = {**JOBS, **AK, "HW_REGION_NAME": "x", "OS_PROJECT_NAME": "y", "OS_CLOUD": "z", "HW_CLOUD": "otc"}
    prod = {**PROD, "cloud": "huaweicloud", "project_id": "1"}

    (told,) = load(None, environ, {"projects": {"prod": prod}}).without_effect
    assert told.startswith("OS_CLOUD is set and has no effect: ")


def test_what_the_file_says_counts_more() -> None:
    environ = {**OS_USER, "OS_AUTH_URL": "https://iam.eu-de.otc.t-systems.com/v3", "OS_TENANT_ID": "9", "HW_CLOUD": "x"}
    given = {**PROD, "cloud": "huaweicloud", "project_id": "1", "endpoints": {"iam": "https://iam.example"}}

    made = only(environ, given)

    assert kind(made) == {"token": "T"}
    assert (made.cloud, made.project_id, made.endpoints) == ("huaweicloud", "1", {"iam": "https://iam.example"})


@pytest.mark.parametrize("name", ["HUAWEICLOUD_SDK_IAM_ENDPOINT", "HW_AUTH_URL", "OS_AUTH_URL"])
@pytest.mark.parametrize("text", ["https://iam.example", "https://iam.example/v3", "https://iam.example/v3/"])
def test_the_address_of_iam_is_taken_without_its_version(name: str, text: str) -> None:
    assert only({**AK, name: text}).endpoints == {"iam": "https://iam.example"}
    assert only({**OS_USER, name: text, "OS_PROJECT_ID": "1"}).endpoints == {"iam": "https://iam.example"}


def test_the_address_of_iam_counts_only_where_iam_is_asked() -> None:
    environ = {"OS_AUTH_URL": "http://iam.example/v3"}

    assert only({**AK, **environ, "OS_PROJECT_ID": "1"}).endpoints == {}
    assert refused({**AK, **environ}) == [
        "environment: OS_AUTH_URL: projects.default.endpoints.iam: expected https; http is for loopback addresses only"
    ]


def test_a_cloud_of_ones_own_gets_its_iam_from_the_variables() -> None:
    own = {"cloud": "custom", "region": "here-1", "endpoints": {"dli": "https://dli.example"}}

    assert only({**AK, "OS_AUTH_URL": "https://iam.example/v3"}, own).endpoints["iam"] == "https://iam.example"


def test_of_two_projects_nobody_can_tell_whose_place_is_meant() -> None:
    environ = {**REGION, **JOBS, **OS_USER, "OS_TENANT_ID": "9", "OS_AUTH_URL": "https://iam.eu-de.otc.t-systems.com"}
    base = {"projects": {"a": {"region": "eu-nl"}, "b": dict(PROD)}}

    jobs = '[{"service": "dli", "job_id": "1", "project": "a"}]'

    projects = load(None, {**environ, "EXPORTER_JOBS": jobs}, base).projects

    assert list(kind(projects["a"])) == ["password"]
    assert (projects["a"].project_id, projects["a"].cloud, projects["a"].endpoints) == (None, "huaweicloud", {})


POD = {"region": "eu-de", "credentials": {"pod_identity": {}}}


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("eyJ\n")
    return path


@pytest.mark.parametrize(
    "uri",
    ["http://169.254.1.1/v1/credentials", "http://127.0.0.1:8080/", "https://agent.example/v1", "http://[fe80::1]/x"],
)
def test_a_pods_identity_is_where_its_variables_say(token: Path, uri: str) -> None:
    environ = {pod_env.URI: uri, pod_env.TOKEN_FILE: str(token)}

    assert only(environ, POD).credentials.pod_identity is not None
    assert pod_env.pod_identity(environ) == (uri, token)


def test_a_pod_without_an_identity_names_the_variables(token: Path) -> None:
    why = (
        "projects.prod.credentials.pod_identity needs it: CCE sets it in a pod whose service account has a pod identity"
    )
    base = {"projects": {"prod": POD}}

    assert refused({}, base) == [
        f"environment: {pod_env.URI}: missing; {why}",
        f"environment: {pod_env.TOKEN_FILE}: missing; {why}",
    ]
    assert refused({pod_env.URI: "http://10.0.0.1/", pod_env.TOKEN_FILE: str(token)}, base) == [
        f"environment: {pod_env.URI}: expected https; http is for loopback and link-local addresses only"
    ]
    assert refused({pod_env.URI: "http://169.254.1.1/", pod_env.TOKEN_FILE: f"{token}2"}, base) == [
        f"environment: {pod_env.TOKEN_FILE}: there is no such file; mount it or correct the path"
    ]
    with pytest.raises(SettingsError, match=pod_env.URI):
        pod_env.pod_identity({})


def test_the_metadata_of_the_node_needs_nothing_else(file: Callable[[str], Path]) -> None:
    path = file("projects: {prod: {region: eu-de, credentials: {metadata: {}}}}\njobs: [{service: dli, job_id: a}]")

    assert load(path, {}).projects["prod"].credentials.metadata is not None
