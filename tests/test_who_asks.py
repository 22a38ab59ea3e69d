"""From the settings to calls: each kind of credentials against the simulator, or offline."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from prometheus_client import generate_latest

from exporter.app import App
from exporter.cli.check import report
from exporter.clock import SystemClock
from exporter.cloud.client import Client
from exporter.cloud.credentials.factory import credentials_of
from exporter.cloud.credentials.signing import key_name
from exporter.cloud.identity_calls import IdentityCalls
from exporter.config import Settings, load, pod_env
from exporter.metrics.telemetry import Telemetry
from exporter.services.registry import load_services
from exporter.simulator.cloud import Cloud
from exporter.simulator.population import announcement, populate
from exporter.simulator.server import make_app
from tests.cloud.pretend import iam_calls, project_pool

EXPIRY = "huaweicloud_job_exporter_credentials_expiry_timestamp_seconds"


def settings(credentials: Mapping[str, Any], environ: Mapping[str, str] | None = None, **project: Any) -> Settings:
    jobs = project.pop("jobs", [{"service": "dli", "job_id": "1"}])
    prod = {"region": "eu-de", "time_zone": "Asia/Shanghai", "credentials": credentials, **project}
    return load(None, environ or {}, {"projects": {"prod": prod}, "jobs": jobs})


@asynccontextmanager
async def simulator() -> AsyncIterator[tuple[Cloud, dict[str, Any]]]:
    cloud = Cloud(clock=time.time)
    populate(cloud)
    async with TestServer(make_app(cloud)) as server:
        url = str(server.make_url("")).rstrip("/")
        endpoints = dict.fromkeys((*load_services(), "iam"), url)
        where = {"region": cloud.region, "cloud": "custom", "endpoints": endpoints}
        yield cloud, {**where, "jobs": announcement(cloud, url)["jobs"]}


@pytest.mark.parametrize("kind", ["password", "access_key", "token"])
async def test_a_poll_without_a_project_id_finds_it(kind: str) -> None:
    async with simulator() as (cloud, where):
        kinds: dict[str, Any] = {
            "password": {"domain": cloud.domain, "user": cloud.user, "password": cloud.password},
            "access_key": {"key_id": cloud.access_key, "secret": cloud.secret_key},
            "token": cloud.new_token(3600).text,
        }
        app = App(settings({kind: kinds[kind]}, **where))
        async with app.projects() as projects:
            project = projects.by_name[next(iter(projects.by_name))]
            app.telemetry.watch_expiry(lambda: {"prod": project.credentials.expires_at})
            assert f"\n{EXPIRY}{{" not in generate_latest(app.telemetry.registry).decode()
            assert project.project_id == ""
            await projects.ask(app.settings.jobs[0])

            assert project.project_id == cloud.project_id
            told = generate_latest(app.telemetry.registry).decode()
            assert (f'\n{EXPIRY}{{project="prod"}} ' in told) == (kind == "password")


def test_a_configuration_is_checked_without_a_call(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("eyJ")
    environ = {pod_env.URI: "http://127.0.0.1:1/", pod_env.TOKEN_FILE: str(token)}
    kinds: dict[str, tuple[Any, str]] = {
        "metadata": ({}, "agency of this node"),
        "password": ({"domain": "acme", "user": "exporter", "password": "hunter2"}, "user exporter of acme"),
        "pod_identity": ({}, "identity of this pod"),
        "access_key": ({"key_id": "AK", "secret": "hunter2"}, key_name("AK")),
    }
    for kind, (given, identity) in kinds.items():
        made = settings({kind: given}, environ)
        closed = Client(1)
        calls = iam_calls(closed, SystemClock()), IdentityCalls(closed, Telemetry())
        who = credentials_of(made.projects["prod"], *calls, SystemClock(), environ)
        assert (who.identity, who.expires_at) == (identity, None)
        if kind != "pod_identity":
            assert "The configuration is valid." in report(made)


async def test_a_project_that_comes_after_its_key_was_rotated_shares_the_budget_of_that_key(tmp_path: Path) -> None:
    files = {"key_id_file": str(tmp_path / "id"), "secret_file": str(tmp_path / "secret")}
    for name in files.values():
        Path(name).write_text("FIRST")
    one = {"region": "eu-de", "project_id": "1", "credentials": {"access_key": files}}
    jobs = [{"service": "cdm", "cluster_id": "c", "job_name": "j", "project": "one"}]

    def with_projects(**projects: Any) -> Settings:
        return load(None, {}, {"projects": projects, "jobs": jobs})

    async with project_pool(SystemClock()) as projects:
        before = await projects.use(with_projects(one=one))
        assert before.by_name["one"].credentials.identity == key_name("FIRST")
        (tmp_path / "id").write_text("SECOND")
        after = await projects.use(with_projects(one=one, two=one | {"project_id": "2"}))
        shares = {after.share(project, "cdm")[0] for project in after.by_name.values()}

    assert {share.identity for share in shares} == {key_name("FIRST")}
    assert len(shares) == 1
