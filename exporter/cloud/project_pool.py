"""The projects in use, from one set of settings to the next.

A project with unchanged settings keeps its connections, its token and its project id, so a reload of other settings
does not affect it.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from exporter.clock import Clock
from exporter.cloud.client import Client
from exporter.cloud.credentials import Credentials, temporary_key
from exporter.cloud.credentials.factory import credentials_of
from exporter.cloud.credentials.password import Password
from exporter.cloud.credentials.renewable import Logins
from exporter.cloud.iam import find_project_id
from exporter.cloud.identity_calls import IAM_LIMIT, IamCalls, IdentityCalls, PermitSource
from exporter.cloud.project import Project
from exporter.cloud.projects import Bucket, Projects
from exporter.config import ProjectSettings, Settings
from exporter.config.project import PasswordSettings
from exporter.local_files import digest
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import SettingsError
from exporter.services.clouds import IAM_LIMITS, endpoints, iam_endpoint
from exporter.services.registry import load_services


class _ConnectionOptions(NamedTuple):
    """What makes one pool of connections differ from another."""

    timeout: float
    ca_file: Path | None
    proxy: str | None
    authorities: bytes | None = None
    """The digest of what *ca_file* holds: another content under the same name is another trust."""


@dataclass(frozen=True, slots=True)
class _Built:
    """A project and what it was built from."""

    settings: ProjectSettings
    way: _ConnectionOptions
    project: Project


class ProjectPool:
    """Builds projects and holds their connections.

    *environ* has the variables of a pod's identity; calls to IAM have their permits of *permits*.
    """

    def __init__(self, clock: Clock, telemetry: Telemetry, environ: Mapping[str, str], permits: PermitSource) -> None:
        self._clock = clock
        self._telemetry = telemetry
        self._environ = environ
        self._permits = permits
        self._direct = Client(temporary_key.TIMEOUT, proxy="", clock=clock)
        self._local = IdentityCalls(self._direct, telemetry)
        self._transports: dict[_ConnectionOptions, Client] = {}
        self._retired: list[Client] = []  # which calls are under way on
        self._built: dict[str, _Built] = {}
        self._logins: dict[PasswordSettings, Logins] = {}
        self._rates: dict[Bucket, float] = {}  # of IAM
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._direct)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for transport in [*self._transports.values(), *self._retired]:
            await transport.__aexit__(None, None, None)
        await self._stack.aclose()

    async def use(self, settings: Settings) -> Projects:
        """Return the projects of *settings*; raises :class:`SettingsError`, and then nothing has changed."""
        opened: dict[_ConnectionOptions, Client] = {}
        built: dict[str, _Built] = {}
        try:
            for name, config in settings.projects.items():
                trusted = await asyncio.to_thread(digest, config.ca_file)
                way = _ConnectionOptions(settings.poll.timeout, config.ca_file, config.proxy, trusted)
                if way not in self._transports and way not in opened:
                    transport = Client(way.timeout, ca_file=way.ca_file, proxy=way.proxy, clock=self._clock)
                    opened[way] = await transport.__aenter__()
                built[name] = self._kept(name, config, way) or await self._new(name, config, way, opened)
        except SettingsError:
            for transport in opened.values():
                await transport.__aexit__(None, None, None)
            raise
        self._transports |= opened
        self._built = built
        users = {config.credentials.password for config in settings.projects.values()}
        self._logins = {user: logins for user, logins in self._logins.items() if user in users}
        for name, config in settings.projects.items():
            project = built[name].project
            # what may change without a call having to be made again
            project.zone = config.time_zone
            project.limits = {limit: rate / settings.sharding.shards for limit, rate in config.limits.items()}
        projects = Projects(load_services(), {name: each.project for name, each in built.items()})
        self._rates = dict(projects.share(project, IAM_LIMIT) for project in projects.by_name.values())
        return projects

    def _iam_share(self, region: str, credentials: Credentials) -> tuple[Bucket, float]:
        bucket = Bucket(credentials.identity, region, IAM_LIMIT)
        return bucket, self._rates.get(bucket, IAM_LIMITS[IAM_LIMIT])  # a reload may have taken the project away

    async def close_unused(self) -> None:
        """Close the connections that no project uses any more, each pool after the last call that is under way."""
        used = {each.way for each in self._built.values()}
        for way in [way for way in self._transports if way not in used]:
            transport = self._transports.pop(way)
            self._retired = [each for each in self._retired if each.open] + [transport]
            await transport.retire()

    def _kept(self, name: str, config: ProjectSettings, way: _ConnectionOptions) -> _Built | None:
        before = self._built.get(name)
        same = before is not None and before.way == way and _who(before.settings) == _who(config)
        return before if same else None

    def _known(self, config: ProjectSettings) -> str:
        """Return what the credentials of another project that are written alike are known by; empty if there is none.

        A key that is rotated in its file stays the one of its user, whose calls count together.
        """
        alike = (each for each in self._built.values() if each.settings.credentials == config.credentials)
        return next((each.project.credentials.identity for each in alike), "")

    async def _new(
        self, name: str, config: ProjectSettings, way: _ConnectionOptions, opened: Mapping[_ConnectionOptions, Client]
    ) -> _Built:
        transport = opened.get(way) or self._transports[way]
        known = self._known(config)
        share = partial(self._iam_share, config.region)
        iam = IamCalls(transport, self._telemetry, self._permits, share, self._clock)
        made = (config, iam, self._local, self._clock, self._environ, known, self._logins)
        credentials = await asyncio.to_thread(credentials_of, *made)  # the token of a pod is looked at, in a file
        await credentials.load()
        find = None
        if isinstance(credentials, Password):
            find = credentials.project_id  # IAM reports it with the token
        elif config.project_id is None:
            url = iam_endpoint(config.cloud, config.region, config.endpoints)
            named = config.project_name or config.region
            find = partial(find_project_id, iam, url, named, credentials, self._clock)
        project = Project(
            name=name,
            region=config.region,
            project_id=config.project_id or "",
            endpoints=endpoints(load_services(), config.cloud, config.region, config.endpoints),
            limits=config.limits,
            zone=config.time_zone,
            credentials=credentials,
            transport=transport,
            clock=self._clock,
            telemetry=self._telemetry,
            find_project_id=find,
        )
        return _Built(config, way, project)


def _who(config: ProjectSettings) -> ProjectSettings:
    """Return the settings without what a project may change while it stays the same."""
    return config.model_copy(update={"limits": {}, "time_zone": None})
