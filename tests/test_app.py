"""The whole program in one event loop: what a disk may not hold up, and what goes with what a reload takes away."""

import asyncio
import os
import re
import signal
import ssl
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp.test_utils import TestServer
from prometheus_client import Counter, Gauge

from exporter.app import App
from exporter.config import load
from exporter.simulator import Cloud, DliJob, SubJob, make_app

DISK = {"open", "fcntl.flock", *(f"os.{name}" for name in (
    "chmod", "chown", "link", "listdir", "mkdir", "remove", "rename", "rmdir", "scandir", "symlink", "truncate",
    "utime",
))}  # fmt: skip
"""What the interpreter reports of a disk (https://docs.python.org/3/library/audit_events.html); it reports no stat."""
SILENT = ("stat", "lstat", "fsync", "fdatasync", "access", "readlink", "statvfs")
TRUST = ("load_cert_chain", "load_default_certs", "load_verify_locations", "set_default_verify_paths")
"""What reads certificates, in C and without a report."""
RELOADS = 300
guarded: list[str] | None = None
"""What the thread of the event loop did with a disk, while that is looked at."""


def callers() -> str:
    """Return who calls, without a look at the sources, which are on a disk."""
    frame: Any = sys._getframe(2)
    names: list[str] = []
    while frame is not None and len(names) < 14:
        names.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(names)


def note(event: str, arguments: tuple[Any, ...]) -> None:
    if (
        guarded is not None
        and event in DISK
        and not str(arguments[0]).startswith("/proc/")
        and threading.current_thread() is threading.main_thread()
    ):
        guarded.append(f"{event} {arguments[0]!r} in {callers()}")


sys.addaudithook(note)


@contextmanager
def looked_at(patch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Note what the event loop's thread does with a disk."""
    global guarded
    for name in SILENT:
        patch.setattr(os, name, silent(name, getattr(os, name)))
    for name in TRUST:
        patch.setattr(ssl.SSLContext, name, silent(name, getattr(ssl.SSLContext, name)))
    found: list[str] = []
    guarded = found
    try:
        yield found
    finally:
        guarded = None


def silent(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*arguments: Any, **more: Any) -> Any:
        if guarded is not None and threading.current_thread() is threading.main_thread():
            guarded.append(f"{name} {arguments[:2]!r} in {callers()}")
        return call(*arguments, **more)

    return noted


class Running:
    """The program, its folder and the cloud that it asks."""

    def __init__(self, folder: Path, cloud: Cloud, url: str) -> None:
        self.folder, self.cloud, self.url, self.address = folder, cloud, url, ""
        self.app: App | None = None
        self.path = folder / "exporter.yaml"
        (folder / "secret").write_text(cloud.secret_key)

    def configure(
        self,
        *,
        first: int = 1,
        projects: int = 1,
        files: str = "*.jobs",
        rules: int = 0,
        journal: str = "j.json",
        more: Mapping[str, str] = MappingProxyType({}),
        web: str = "",
    ) -> None:
        """Write a configuration; *more* are further projects by name, with what they have besides the usual."""
        key = f"{{access_key: {{key_id: {self.cloud.access_key}, secret_file: secret}}}}"
        project = f"{{region: cn-north-4, project_id: {self.cloud.project_id}, credentials: {key},"
        project += f" endpoints: {{dli: '{self.url}', cdm: '{self.url}', dws: '{self.url}'}}}}"
        lines = [f"web: {{listen_address: '127.0.0.1:0', enable_lifecycle: true{web}}}", f"journal: {journal}"]
        lines += [f"job_files: ['{files}']", "poll: {interval: 1s, idle_interval: 2s, stale_after: 10s}", "projects:"]
        names = ["p0", *(f"p{first + number}" for number in range(projects - 1))]
        lines += [f"  {name}: {project}" for name in names]
        usual, places = "region: cn-north-4", f"dli: '{self.url}', iam: '{self.url}'"
        lines += [f"  {name}: {{{usual}, endpoints: {{{places}}}, {others}}}" for name, others in more.items()]
        names += more
        job = next(iter(self.cloud.dli.values())).job_id
        lines += ["jobs:"]
        lines += [f"- {{service: dli, job_id: {job}, name: n{name[1:]}, project: {name}}}" for name in names]
        lines += ["discovery:"] * bool(rules)
        rule = "- {{service: dli, project: {0}, name: 'found-{0}', interval: 1s}}"
        lines += [rule.format(name) for name in names[:rules]]
        new = self.folder / "new"
        new.write_text("\n".join(lines))
        new.replace(self.path)

    async def reload(self, session: aiohttp.ClientSession) -> None:
        async with session.post(f"{self.address}/-/reload") as answer:
            assert answer.status == 200, await answer.text()

    async def samples(self, session: aiohttp.ClientSession) -> list[str]:
        async with session.get(f"{self.address}/metrics") as answer:
            assert answer.status == 200
            return [line for line in (await answer.text()).splitlines() if not line.startswith("#")]


@asynccontextmanager
async def running(
    folder: Path, environ: Mapping[str, str] = MappingProxyType({}), **configuration: Any
) -> AsyncIterator[Running]:
    """Run the program against the simulator; nothing here touches a disk in the event loop either."""
    cloud = Cloud()
    cloud.limits.per_minute.clear()
    cloud.add(DliJob(cloud.new_uuid(), "q", cloud.started, (SubJob("save", tasks=10_000, seconds=1e6),)))
    async with TestServer(make_app(cloud)) as server:
        there = await asyncio.to_thread(Running, folder, cloud, str(server.make_url("")).rstrip("/"))
        await asyncio.to_thread(there.configure, **configuration)

        def read() -> Any:
            return load(there.path, environ)

        started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        settings = await asyncio.to_thread(read)
        app = there.app = await asyncio.to_thread(App, settings, environ=environ, read=read, path=there.path)
        work = asyncio.create_task(app.run(started.set_result))
        there.address = (await asyncio.wait_for(started, 60)).rstrip("/")
        try:
            yield there
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            await work


FILES = ("id", "sk", "session", "password", "token", "pod")
"""What the credentials below are in."""
EVERY_FILE = {
    "keys": "project_id: p, credentials:"
    " {access_key: {key_id_file: id, secret_file: sk, security_token_file: session}}",
    "user": "credentials: {password: {domain: d, user: u, password_file: password}}, ca_file: ca.pem",
    "tokens": "project_id: p, time_zone: Asia/Shanghai, credentials: {token_file: token}",
    "pods": "project_id: p, credentials: {pod_identity: {}}",
}


def test_every_option_that_names_a_file_is_in_the_test_below() -> None:
    named = {
        line.split("`")[1].rpartition(".")[2]
        for line in (Path(__file__).parents[1] / "docs/configuration.md").read_text().splitlines()
        if line.startswith("| `") and re.search(r"_files?`|`journal`", line.split("|")[1])
    }

    assert named == {
        "ca_file", "config_file", "job_files", "journal", "key_id_file", "password_file", "secret_file",
        "security_token_file", "token_file",
    }  # fmt: skip


async def test_the_event_loop_touches_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jobs").write_text("[]")
    for name in FILES:
        (tmp_path / name).write_text(f"{name}0")
    authority, other = trustme.CA(), trustme.CA().cert_pem.bytes()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "served.pem")
    served = "tls_server_config: {cert_file: served.pem, key_file: served.pem, client_ca_file: ca.pem,"
    served += " client_auth_type: VerifyClientCertIfGiven}"
    (tmp_path / "web.yml").write_text(served)
    trust = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    everything: dict[str, Any] = {"more": EVERY_FILE, "web": ", config_file: web.yml"}
    time.strptime("1", "%d")  # which imports what it needs, and only the simulator uses it
    environ = {
        "HC_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/keys",
        "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "pod"),
    }
    with monkeypatch.context() as patch, looked_at(patch) as found:
        async with (
            running(tmp_path, environ, rules=1, **everything) as there,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session,
        ):
            await asyncio.sleep(3)
            for number in range(4):
                job = next(iter(there.cloud.dli.values())).job_id
                write = (tmp_path / "a.jobs").write_text
                await asyncio.to_thread(write, f"- {{service: dli, job_id: {job}, name: f{number}, project: p0}}\n")
                await asyncio.to_thread((tmp_path / "secret").write_text, there.cloud.secret_key + "\n" * (number % 2))
                for name in FILES:
                    await asyncio.to_thread((tmp_path / name).write_text, f"{name}{number + 1}")
                await asyncio.to_thread((tmp_path / "ca.pem").write_bytes, other * (number + 1))
                again = authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.bytes()
                await asyncio.to_thread((tmp_path / "served.pem").write_bytes, again)
                await asyncio.to_thread((tmp_path / "web.yml").write_text, served + "\n" * number)
                change = partial(there.configure, projects=2 + number % 2, rules=1 + number % 2, **everything)
                await asyncio.to_thread(change)
                await there.reload(session)
                await asyncio.sleep(2.5)
                await there.samples(session)
                for path in ("/", "/api/v1/jobs", "/jobs/dli/n0", "/static/page.css", "/-/ready"):
                    async with session.get(f"{there.address}{path}") as answer:
                        assert answer.status in {200, 503}, path
            await asyncio.to_thread((tmp_path / "exporter.yaml").write_text, "nothing: of use")
            await asyncio.sleep(2.5)

    assert not found, "\n".join(found)


async def test_the_past_goes_on_after_a_restart(tmp_path: Path) -> None:
    async def past(there: Running, session: aiohttp.ClientSession) -> dict[str, Any]:
        while True:
            async with session.get(f"{there.address}/api/v1/jobs/dli/n0/runs") as answer:
                told: dict[str, Any] = await answer.json()
            if told["turns"]:
                return told
            await asyncio.sleep(0.1)

    async with aiohttp.ClientSession() as session:
        async with running(tmp_path) as there:
            before = await past(there, session)
            async with session.get(f"{there.address}/api/v1/changes") as answer:
                since = (await answer.json())["since"]
        async with running(tmp_path) as there:
            after = await past(there, session)
            async with session.get(f"{there.address}/api/v1/changes") as answer:
                again = await answer.json()

    assert after["since"] == before["since"]
    assert after["turns"][-1] == before["turns"][-1]
    assert again["since"] == since
    assert again["away"][0] < again["away"][1]


async def test_what_a_reload_takes_away_leaves_no_series_task_or_connection(tmp_path: Path) -> None:
    async with running(tmp_path) as there, aiohttp.ClientSession() as session:
        await asyncio.sleep(3)
        before = {line.rpartition(" ")[0] for line in await there.samples(session)}
        tasks, files = len(asyncio.all_tasks()), len(list(Path("/proc/self/fd").iterdir()))
        job = next(iter(there.cloud.dli.values())).job_id
        for number in range(RELOADS):
            name = tmp_path / f"{number}.jobs"
            name.write_text(f"- {{service: dli, job_id: {job}, name: f{number}, project: p0}}\n")
            there.configure(first=number + 1, projects=3, rules=number % 3, files=f"{number}.jobs")
            await there.reload(session)
            if number % 10 == 0:
                await asyncio.sleep(0.7)
            name.unlink()
        there.configure()
        await there.reload(session)
        left: list[object] = ["a reload"]
        deadline = time.monotonic() + 60
        while left:
            assert time.monotonic() < deadline, left
            await asyncio.sleep(0.5)
            new = {line.rpartition(" ")[0] for line in await there.samples(session)} - before
            left = [line for line in new if re.search(r'project="p(?!0")|\.jobs|"(f\d|n[1-9]|found-p[1-9])', line)]
            left += sorted(map(str, asyncio.all_tasks())) if len(asyncio.all_tasks()) > tasks + 3 else []
            left += [fds] if (fds := len(list(Path("/proc/self/fd").iterdir()))) > files + 5 else []


async def test_no_series_of_a_project_outlives_it(tmp_path: Path) -> None:
    async with running(tmp_path, projects=2, rules=2) as there, aiohttp.ClientSession() as session:
        assert there.app is not None
        telemetry = there.app.telemetry
        for name, kind, _, labels in telemetry.catalogue:  # some are there only after a failure
            if "project" in labels and kind != "histogram":
                metric: Any = telemetry.registry._names_to_collectors[name]
                if isinstance(metric, Counter | Gauge):
                    other = ["dli" if label == "service" else "auth" for label in labels]
                    values = ["p1" if label == "project" else value for label, value in zip(labels, other, strict=True)]
                    metric.labels(*values).inc(0)
        async with asyncio.timeout(120):
            while missing := {
                name
                for name, _, _, labels in telemetry.catalogue
                # clusters, of which this cloud has none, have a test of their own in tests/polling/test_places.py
                if "project" in labels and "credentials_expiry" not in name and "_cluster_" not in name
                if not any(line.startswith(name) and 'project="p1"' in line for line in await there.samples(session))
            }:
                await asyncio.sleep(0.5)
        assert not missing
        await asyncio.to_thread(there.configure, projects=1)
        await there.reload(session)
        for _ in range(3):
            assert [line for line in await there.samples(session) if "p1" in line] == []
            await asyncio.sleep(1)
