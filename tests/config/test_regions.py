"""Projects in several regions: what each region's project is, and every mistake at the key that was written."""

import re
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.config import load
from tests.e2e.processes import ROOT

File = Callable[[str], Path]
Mistakes = Callable[..., list[str]]

KEYS = "    credentials: {access_key: {key_id: AK, secret: SK}}\n"
TWO = "projects:\n  prod:\n    regions: [cn-north-4, cn-east-3]\n" + KEYS
JOB = "jobs: [{service: dli, job_id: a, project: prod-cn-east-3}]\n"
BOTH = "project_id and project_name"
MISSING = "required but missing: cloud custom has no usual one"
OTHER = "projects.prod-cn-east-3"
REMEDY = "take one of them out, or rename a project"
PAGE = (ROOT / "docs/projects.md").read_text()
EXAMPLES = dict(re.findall(r"```yaml\n# (\w+\.yaml)\n(.*?)```", PAGE, re.DOTALL))


def test_each_region_is_a_project_with_the_keys_that_all_have_in_common(file: File) -> None:
    settings = load(file(TWO + "    limits: {dli: 2/s}\n    proxy: http://proxy:3128\n" + JOB), {})

    assert {name: each.region for name, each in settings.projects.items()} == {
        "prod-cn-north-4": "cn-north-4",
        "prod-cn-east-3": "cn-east-3",
    }
    assert {each.limits["dli"] for each in settings.projects.values()} == {2.0}
    assert {each.proxy for each in settings.projects.values()} == {"http://proxy:3128"}
    assert {each.project_id for each in settings.projects.values()} == {None}, "IAM is asked"
    first, second = settings.projects.values()
    assert first.credentials == second.credentials
    assert [(job.project, job.region) for job in settings.jobs] == [("prod-cn-east-3", "cn-east-3")]


def test_a_key_below_a_region_replaces_the_one_above(file: File) -> None:
    text = (
        "projects:\n  prod:\n    project_name: shared\n    time_zone: Asia/Shanghai\n    regions:\n"
        "      cn-north-4: {project_id: 05f2, limits: {cdm: 1/s}}\n"
        "      eu-west-101: {time_zone: Europe/Dublin, credentials: {token: t}}\n"
        "      cn-east-3:\n" + KEYS + "    limits: {dli: 2/s}\n"
    )

    projects = load(file(text + JOB), {}).projects
    north, west, east = (projects[f"prod-{region}"] for region in ("cn-north-4", "eu-west-101", "cn-east-3"))

    assert (north.project_id, north.project_name, north.time_zone) == ("05f2", None, ZoneInfo("Asia/Shanghai"))
    assert (north.limits["cdm"], north.limits["dli"]) == (1.0, 5.0), "its limits replace the others"
    assert (west.project_name, west.time_zone) == ("shared", ZoneInfo("Europe/Dublin"))
    assert (west.credentials.token is None, west.credentials.access_key) == (False, None)
    assert (east.project_name, east.time_zone, east.limits["dli"]) == ("shared", ZoneInfo("Asia/Shanghai"), 2.0)


def test_the_region_stands_in_project_names_and_endpoints(file: File) -> None:
    text = TWO + '    project_name: "{region}_a"\n    endpoints: {dws: "https://dws.{region}.example.com"}\n' + JOB

    projects = load(file(text), {}).projects

    assert [each.project_name for each in projects.values()] == ["cn-north-4_a", "cn-east-3_a"]
    assert projects["prod-cn-east-3"].endpoints == {"dws": "https://dws.cn-east-3.example.com"}


@pytest.mark.parametrize("written", ["cn-north-4,cn-east-3", '["cn-north-4", "cn-east-3"]', '{"cn-north-4": {}}'])
def test_a_variable_may_hold_the_regions(file: File, written: str) -> None:
    text = "projects:\n  prod:\n" + KEYS + "discovery: [{service: dli, project: prod}]\n"

    settings = load(file(text), {"EXPORTER_PROJECTS__PROD__REGIONS": written, "HW_PROJECT_ID": "05f2"})

    assert list(settings.projects) == [f"prod-{each}" for each in ("cn-north-4", "cn-east-3") if each in written]
    ids = [each.project_id for each in settings.projects.values()]
    assert ids == ([None, None] if len(ids) == 2 else ["05f2"]), "of two nobody can tell which is meant"


def test_a_rule_for_a_project_is_one_for_each_of_its_regions_and_all_is_every_project(file: File) -> None:
    rules = '[{service: cdm, project: prod, name: "{project}/{job_name}"}, {service: dli, project: all}]'
    other = "  spare: {region: eu-de, cloud: otc, credentials: {token: t}}\n"

    found = load(file(TWO + other + f"discovery: {rules}\n"), {}).discovery

    assert [(search.service, search.project, search.rule.name) for search in found] == [
        ("cdm", "prod-cn-north-4", "prod-cn-north-4/{job_name}"),
        ("cdm", "prod-cn-east-3", "prod-cn-east-3/{job_name}"),
        ("dli", "prod-cn-north-4", None),
        ("dli", "prod-cn-east-3", None),
        ("dli", "spare", None),
    ]


def test_a_project_called_all_is_itself(file: File) -> None:
    text = "projects:\n  all:\n    region: cn-north-4\n" + KEYS + "  b:\n    region: cn-east-3\n" + KEYS

    found = load(file(text + "discovery: [{service: dli, project: all}]\n"), {}).discovery

    assert [search.project for search in found] == ["all"]


def project(regions: str, more: str = "") -> str:
    return f"projects:\n  prod:\n    regions: {regions}\n{KEYS}{more}"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("CN North", 'not "CN North"'),
        ("[]", "this is empty"),
    ],
)
def test_what_is_no_list_of_regions_is_one_mistake(mistakes: Mistakes, written: str, expected: str) -> None:
    text = project(written, "discovery: [{service: dli, project: prod}]\n")

    wanted = "expected a list of regions such as [cn-north-4, cn-east-3], or a mapping of regions to keys"
    assert mistakes(text) == [f"exporter.yaml:3: projects.prod.regions: {wanted}; {expected}"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("[cn-east-3, Cn]", 'regions[1]: expected a region such as cn-north-4, not "Cn"'),
        ("[cn-east-3, [a]]", "regions[1]: expected a region such as cn-north-4"),
        ("[cn-east-3, '']", 'regions[1]: expected a region such as cn-north-4, not ""'),
        (
            "[cn-east-3, cn-east-3]",
            f'regions[1]: its project would be called "prod-cn-east-3" like projects.prod.regions[0]; {REMEDY}',
        ),
        (
            "{cn-east-3: 05f2}",
            "regions.cn-east-3: expected the keys that differ in this region, such as {project_id: 05f2}, or nothing",
        ),
        ("{cn-east-3: [a]}", "regions.cn-east-3: expected the keys that differ in this region, or nothing"),
        ("{cn-east-3: {region: b}}", "regions.cn-east-3.region: unknown key here: the key above names the region"),
        (
            "{cn-east-3: {limits: {dli: 5}}}",
            'regions.cn-east-3.limits.dli: expected a rate such as 5/s or 120/m, not "5"',
        ),
        ("{cn-east-3: {time_zon: UTC}}", 'regions.cn-east-3.time_zon: unknown key; did you mean "time_zone"?'),
    ],
)
def test_a_mistake_in_one_region_is_told_once_and_where_it_is(mistakes: Mistakes, written: str, expected: str) -> None:
    assert mistakes(project(written, JOB)) == [f"exporter.yaml:3: projects.prod.{expected}"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("    limits: {dli: 5}\n", ':5: projects.prod.limits.dli: expected a rate such as 5/s or 120/m, not "5"'),
        ("    limit: {dli: 5/s}\n", ':5: projects.prod.limit: unknown key; did you mean "limits"?'),
        ("    region: eu-de\n", ":2: projects.prod: expected at most one of region and regions; given are both"),
        (
            "    project_id: a\n    project_name: b\n",
            f":2: projects.prod: expected at most one of {BOTH}; given are {BOTH}",
        ),
        (
            "    cloud: custom\n    project_id: a\n",
            f":2: projects.prod.endpoints.dli: {MISSING}, and jobs[0] needs it",
        ),
        (
            "  prod-cn-east-3:\n    region: cn-east-3\n" + KEYS,
            f':3: projects.prod.regions[1]: its project would be called "prod-cn-east-3" like {OTHER}; {REMEDY}',
        ),
    ],
)
def test_a_mistake_in_all_regions_is_told_once(mistakes: Mistakes, more: str, expected: str) -> None:
    assert mistakes(TWO + more + JOB) == [f"exporter.yaml{expected}"]


def test_a_name_that_is_none_is_told_as_it_is_written(mistakes: Mistakes) -> None:
    (sentence,) = mistakes(TWO.replace("prod", "Prod") + "discovery: [{service: dli, project: Prod}]\n")

    assert sentence.startswith('exporter.yaml:2: projects.Prod: "Prod" cannot name a project;')


def test_a_region_where_a_service_has_no_known_address_names_the_key_of_that_region(mistakes: Mistakes) -> None:
    text = project("[eu-de, eu-ch2]", "    cloud: otc\ndiscovery: [{service: dli, project: prod}]\n")

    (sentence,) = mistakes(text)

    assert sentence.startswith("exporter.yaml:3: projects.prod.regions[1]: no address of dli is known in region eu-ch2")
    assert sentence.endswith("; set projects.prod.regions.eu-ch2.endpoints.dli")


@pytest.mark.parametrize(
    "entry", ["jobs: [{service: dli, job_id: a, project: prod}]", "discovery: [{service: dli, project: prod}]"]
)
def test_what_names_a_project_whose_regions_are_a_mistake_is_none(mistakes: Mistakes, entry: str) -> None:
    (sentence,) = mistakes(project("[Cn, eu de]", entry + "\n"))[1:]

    assert sentence == 'exporter.yaml:3: projects.prod.regions[1]: expected a region such as cn-north-4, not "eu de"'


def test_a_job_names_one_region(mistakes: Mistakes) -> None:
    (sentence,) = mistakes(TWO + "jobs: [{service: dli, job_id: a, project: prod}]\n")

    remedy = "of its regions name one: prod-cn-north-4, prod-cn-east-3"
    assert sentence == f'exporter.yaml:5: jobs[0].project: unknown project "prod"; {remedy}'


@pytest.mark.parametrize(("name", "projects"), [("regions.yaml", 3), ("different.yaml", 4), ("many.yaml", 15)])
def test_the_examples_of_the_page_are_valid(file: File, name: str, projects: int) -> None:
    for secret in ("ak", "sk"):
        Path("exporter.yaml").parent.joinpath(secret).write_text("EXAMPLE")

    settings = load(file(EXAMPLES[name].replace("/run/secrets/", "")), {})

    assert len(settings.projects) == projects
    assert {search.project for search in settings.discovery} == set(settings.projects)
