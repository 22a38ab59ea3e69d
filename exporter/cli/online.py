"""``check --online``: makes one call for each project and service, and prints user, route and result."""

import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Final

from exporter.app import App
from exporter.cli.calls import CommandCalls
from exporter.cloud.project import Project
from exporter.cloud.projects import Projects
from exporter.cloud.urls import base_of, proxy_for
from exporter.config.project import ProjectSettings
from exporter.model.errors import PollError
from exporter.model.masking import repeated
from exporter.model.messages import quoted
from exporter.model.reason import Reason
from exporter.services.adapter import Adapter
from exporter.services.discovery_rule import Search
from exporter.services.listing import Location
from exporter.services.page_cursor import PageStart
from exporter.services.request import Request

_CLOSE: Final = 2.0
"""Seconds by which the clocks may differ without a word: the cloud gives whole seconds, and a call takes time."""
_SIGNATURE: Final = 900.0
"""Seconds by which the clocks may differ before every signature is refused."""
_NEEDED: Final = "their calls need the credentials and the project id"


async def try_online(app: App) -> bool:
    """Call each service of each project once and print what came of it; return whether all of it worked."""
    works = True
    print("\nonline, one call for each project and service:")
    async with app.projects() as projects:
        calls = CommandCalls(projects, app.permits)
        for project in projects.by_name.values():
            works &= await _project(app, projects, calls, project)
    return works


async def _project(app: App, projects: Projects, calls: CommandCalls, project: Project) -> bool:
    config = app.settings.projects[project.name]
    asked = {job.key.service for job in app.settings.jobs if job.project == project.name}
    asked |= {search.service for search in app.settings.discovery if search.project == project.name}
    kind = next(name for name in type(config.credentials).model_fields if getattr(config.credentials, name) is not None)
    print(f"project {project.name}: {kind} ({app.settings.credentials_at.get(project.name, 'built-in settings')})")
    works, left = True, sorted(asked)
    try:
        known = "configured" if project.project_id else "reported by IAM"
        project_id = await project.project_id_of()
        print(f"  in use: {project.credentials.in_use}, project id {project_id} ({known})")
        while left:
            works &= await _service(app, projects, calls, project, projects.adapters[left.pop(0)])
    except PollError as error:
        print(f"  failed: {error.sentence} ({_details(app, error)})")
        if left:
            why = "refused credentials that are tried again may lock the key" if error.refused else _NEEDED
            print(f"  not tried: {', '.join(left)}; {why}")
        return False
    for line in _clock(project):
        print(line)
    if not asked:
        print("  no job and no rule: no call is made")
    return works


def _details(app: App, error: PollError) -> str:
    """Return code, request id and text of a failure, as the vendor gave them."""
    text = repeated(error.text, app.settings.web.vendor_text)
    return f"code {error.code or '-'}, request id {error.request_id or '-'}, text {text or '-'}"


async def _service(app: App, projects: Projects, calls: CommandCalls, project: Project, adapter: Adapter) -> bool:
    """Make one call for a service. Raises :class:`PollError` if the cloud refuses the credentials."""
    where, began = project.endpoints[adapter.service], time.perf_counter()
    print(f"  {adapter.service}: {where}{''.join(_way(app.settings.projects[project.name], where))}")
    what, request, make = await _trial(app, projects, project, adapter)
    try:
        await calls.call(project, request.limit, make)
    except PollError as error:
        if error.refused:
            raise
        details = _details(app, error)
        if error.reason is Reason.NOT_FOUND:
            print(f"    allowed, but {what} is not there ({request.operation}; {details})")
            return True
        print(f"    failed: {error.sentence} ({request.operation} for {what}; {details})")
        return False
    took, rate = time.perf_counter() - began, project.limits[request.limit]
    print(f"    allowed ({request.operation} for {what}, {took:.2f} s; limit {request.limit}: {rate:g}/s)")
    return True


async def _trial(
    app: App, projects: Projects, project: Project, adapter: Adapter
) -> tuple[str, Request, Callable[[], Awaitable[object]]]:
    """Return what the call is made for, the call, and what makes it and reads its answer.

    It is for a registered job, else the first one of a rule.
    """
    for job in app.settings.jobs:
        if (job.project, job.key.service) == (project.name, adapter.service):
            return f"job {quoted(job.key.job)}", await projects.request(job), partial(projects.ask, job)
    search = next(each for each in app.settings.discovery if _belongs(each, project, adapter))
    lister, project_id, now = adapter.lists, await project.project_id_of(), project.cloud_time()
    assert lister is not None  # noqa: S101 - the settings have no rule for another service
    read: Callable[[bytes], object] = lister.places
    first = lister.places_request(project_id)
    if first is None:
        view = lister.views(search.rule, Location(), now)[0]
        first, read = lister.request(view, project_id, PageStart()), partial(lister.parse, view=view)
    request = first

    async def make() -> object:
        return read(await project.ask(adapter, request))

    return "a rule of discovery", request, make


def _belongs(search: Search, project: Project, adapter: Adapter) -> bool:
    return (search.project, search.service) == (project.name, adapter.service)


def _way(config: ProjectSettings, where: str) -> Iterator[str]:
    """Say on which way a service is reached, and who vouches for it."""
    base = base_of(where)
    proxy = proxy_for(base, config.proxy)
    if proxy is not None:
        yield f", by the proxy {proxy.with_user(None)} ({'proxy' if config.proxy else 'HTTPS_PROXY'})"
    if base.scheme == "https":
        yield f", trusting {config.ca_file or 'the authorities of this machine'}"


def _clock(project: Project) -> Iterator[str]:
    """Say how far the clocks are apart, if an answer said."""
    if project.skew is None:
        return
    if abs(project.skew) <= _CLOSE:
        yield "  clock: as the cloud's"
        return
    side = "behind" if project.skew > 0 else "ahead of"
    limit = f"; a signature is good for {_SIGNATURE:.0f} s" if project.credentials.signs else ""
    yield f"  clock: {abs(project.skew):.0f} s {side} the cloud's{limit}"
