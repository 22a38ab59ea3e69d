"""The web server: its routes, what every answer carries, and what health means."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from aiohttp import web

from exporter.config.web_file import WebConfig
from exporter.model.errors import SettingsError
from exporter.model.job import JobKey
from exporter.model.record import Record
from exporter.threads import compute
from exporter.web import page
from exporter.web.answers import body_answer, json_answer, text_answer
from exporter.web.job_json import encoded, job_document
from exporter.web.job_page import single
from exporter.web.list_page import Listing, link, listing
from exporter.web.metrics import Metrics, Scrapes
from exporter.web.openapi import description
from exporter.web.past_json import changes_document, runs_document
from exporter.web.ports import Exporter
from exporter.web.query import Asking, Query, QueryError, matching, nearest_jobs, page_of, parse_query
from exporter.web.security import Security

SCRAPES: Final = web.AppKey("scrapes", Scrapes)
"""Where the application keeps the counter of answered scrapes."""
_READY_AFTER: Final = 60.0
"""Seconds after which the exporter is ready whatever it waits for."""
_NAMES_TOLD: Final = 5
_SLICE: Final = 100
"""Jobs turned to JSON before the loop may serve others."""
_LIFECYCLE_OFF: Final = "lifecycle is not enabled; set web.enable_lifecycle: true\n"
_PLACES: Final = (
    "/, /metrics, /api/v1/jobs, /api/v1/jobs/{service}/{job}, /api/v1/jobs/{service}/{job}/runs, /api/v1/changes,"
    " /api/v1/openapi.json, /-/healthy, /-/ready"
)
_RUNS: Final = "/runs"
POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
_JOB: Final = r"{service:[^/]+}/{job:[\s\S]+}"


def make_app(
    exporter: Exporter,
    *,
    security: Security | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> web.Application:
    """Return the application; *monotonic* tells seconds since some start, for the limit of readiness."""
    security = security or Security(WebConfig())
    application = web.Application(middlewares=[security.middleware, _helpful])
    application[SCRAPES] = scrapes = Scrapes()
    application.on_response_prepare.append(partial(_dress, security))
    site = _Site(exporter)
    routes = [
        web.get("/metrics", Metrics(exporter, scrapes).answer),
        web.get("/", site.index),
        web.get("/jobs/" + _JOB, site.job_page),
        web.get("/job", site.job_page),
        web.get("/static/{name}", _static),
        web.get("/favicon.ico", _icon),
        web.get("/favicon.svg", _icon),
        web.get("/api/v1/jobs", site.listing),
        web.get("/api/v1/jobs/" + _JOB, site.job),
        web.get("/api/v1/changes", site.changes),
        web.get("/api/v1/openapi.json", _openapi),
        web.get("/-/healthy", _healthy),
        web.get("/-/ready", _Ready(exporter, monotonic).answer),
        web.post("/-/reload", partial(_reload, exporter)),
        web.route("*", "/{path:.*}", _nothing),
    ]
    for route in routes:
        route.kwargs["expect_handler"] = _answer_at_once
    application.add_routes(routes)
    return application


class _Site:
    """The handlers of page and JSON."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter

    async def listing(self, request: web.Request) -> web.StreamResponse:
        """Answer the list of jobs."""
        try:
            query = parse_query(request.query.items())
        except QueryError as error:
            return await json_answer(request, {"error": str(error)}, 400)
        found = await self._found(query)
        now, parts = self._exporter.now(), []
        for index, record in enumerate(page_of(found, query)):
            parts.append(encoded(self._document(record)))
            if index % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
        head = encoded({"now": now, "total": len(found)})
        body = b"".join((head[:-1], b',"jobs":[', b",".join(parts), b"]}"))
        return await body_answer(request, body, "application/json")

    async def job(self, request: web.Request) -> web.StreamResponse:
        """Answer one job, or its past.

        What is asked for ends in ``/runs`` either way where that is a part of the job's own name. A slash that is
        encoded is part of the name. One that is not may be: then the job without ``/runs`` comes first.
        """
        service, name = request.match_info["service"], request.match_info["job"]
        if request.rel_url.raw_path.endswith(_RUNS) and name.endswith(_RUNS):
            shorter = name.removesuffix(_RUNS)
            if self._exporter.record(service, shorter) is not None:
                return await self._runs(request, JobKey(service, shorter))
            if self._exporter.record(service, name) is None:
                name = shorter
        record = self._exporter.record(service, name)
        if record is None:
            near = [key._asdict() for key in await self._nearest(service, name)]
            return await json_answer(request, {"error": _missing(service, name), "nearest": near}, 404)
        return await json_answer(request, {"now": self._exporter.now(), **self._document(record)})

    async def _runs(self, request: web.Request, key: JobKey) -> web.StreamResponse:
        past = runs_document(key, self._exporter.past(key), self._exporter.watch)
        return await json_answer(request, {"now": self._exporter.now(), **past})

    async def changes(self, request: web.Request) -> web.StreamResponse:
        """Answer what changed of all jobs."""
        return await json_answer(request, {"now": self._exporter.now(), **changes_document(self._exporter.watch)})

    def _document(self, record: Record) -> dict[str, object]:
        due = self._exporter.next_due(record.job.key)
        return job_document(record, self._exporter.place(record), due, self._exporter.vendor_text)

    async def index(self, request: web.Request) -> web.StreamResponse:
        """Answer the page."""
        mistake = ""
        try:
            query = parse_query(request.query.items(), sort="state")
        except QueryError as error:
            query, mistake = parse_query((), sort="state"), str(error)
        asked = Listing(tuple(self._exporter.records()), query, self._exporter, mistake)
        return await _html(request, "index.html", partial(listing, asked), 400 if mistake else 200)

    async def job_page(self, request: web.Request) -> web.StreamResponse:
        """Answer the page of one job."""
        said = request.match_info if "job" in request.match_info else request.query
        service, name = said.get("service", ""), said.get("job", "")
        record = self._exporter.record(service, name)
        if record is None:
            near = [(key, link(*key)) for key in await self._nearest(service, name)]
            view = {"now": self._exporter.now(), "missing": _missing(service, name), "nearest": near}
            return await _html(request, "missing.html", lambda: view, 404)
        clock = "cloud" if request.query.get("clock") == "cloud" else "utc"
        return await _html(request, "job.html", partial(single, record, self._exporter, clock))

    async def _found(self, query: Query) -> Sequence[Record]:
        """Return the jobs that are asked for; records are frozen, so a thread may sift them."""
        there, records = self._exporter, tuple(self._exporter.records())
        asking = Asking(there.now(), there.next_due, there.last_failure, there.vendor_text)
        return await compute(matching, records, query, asking)

    async def _nearest(self, service: str, name: str) -> list[JobKey]:
        return await compute(nearest_jobs, tuple(self._exporter.records()), service, name)


class _Ready:
    """Ready once every registered job was tried, at the latest after a minute, and ready for ever then."""

    def __init__(self, exporter: Exporter, monotonic: Callable[[], float]) -> None:
        self._exporter = exporter
        self._monotonic = monotonic
        self._until = monotonic() + _READY_AFTER
        self._ready = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        left = self._until - self._monotonic()
        waiting = [] if self._ready or left <= 0 else list(self._exporter.waiting())
        self._ready = not waiting
        if self._ready:
            return text_answer("ready\n")
        names = ", ".join(_plain(name) for name in waiting[:_NAMES_TOLD])
        more = f" and {len(waiting) - _NAMES_TOLD} more" if len(waiting) > _NAMES_TOLD else ""
        return text_answer(
            f"not ready: {len(waiting)} not tried yet: {names}{more}; ready in {left:.0f} s at the latest\n",
            503,
        )


def _plain(name: str) -> str:
    """Return a name in one line, whatever characters it holds."""
    return name if name.isprintable() else repr(name)


def _missing(service: str, name: str) -> str:
    return f"no job {name!r} of service {service!r} is registered"


async def _healthy(_: web.Request) -> web.StreamResponse:
    return text_answer("ok\n")


async def _reload(exporter: Exporter, request: web.Request) -> web.StreamResponse:
    if not exporter.may_reload:
        return text_answer(_LIFECYCLE_OFF, 404)
    if _of_another_site(request):
        return text_answer("a page of another site may not reload the configuration\n", 403)
    try:
        return await json_answer(request, await exporter.reload())
    except SettingsError as error:
        return await json_answer(request, {"mistakes": list(error.mistakes)}, 400)


def _of_another_site(request: web.Request) -> bool:
    """Whether a browser sends this for a page of another site. What is no browser says neither header."""
    if request.headers.get("Sec-Fetch-Site", "none") not in {"same-origin", "none"}:
        return True
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2].lower() != request.headers.get("Host", "").lower()


async def _nothing(request: web.Request) -> web.StreamResponse:
    allowed: set[str] = set()
    for resource in request.app.router.resources():
        allowed |= (await resource.resolve(request))[1] - {"*"}
    if allowed:
        raise web.HTTPMethodNotAllowed(request.method, allowed)
    raise web.HTTPNotFound


async def _answer_at_once(_: web.Request) -> None:
    """Pass over ``Expect``: no body is ever read, so the answer itself comes (RFC 9110, 10.1.1).

    The library would repeat the header in its answer, which fails for what is no text.
    """


async def _icon(request: web.Request) -> web.StreamResponse:
    failed, blind = (_small(request.query.get(name, "")) for name in ("failed", "blind"))
    headers = {"Cache-Control": "max-age=86400"}
    return web.Response(body=page.icon(failed, blind), content_type="image/svg+xml", headers=headers)


def _small(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


async def _openapi(request: web.Request) -> web.StreamResponse:
    return await json_answer(request, description())


async def _static(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    if name not in page.ASSETS:
        raise web.HTTPNotFound
    content, version = await compute(page.static, name)
    keep = "max-age=31536000, immutable" if request.query.get("v") == version else "no-cache"
    return await body_answer(request, content, page.ASSETS[name], keep=keep)


async def _html(
    request: web.Request, template: str, make: Callable[[], dict[str, object]], status: int = 200
) -> web.Response:
    # The page may be served below a prefix by a proxy, so every address on it is relative to this root.
    root = "../" * (request.rel_url.raw_path.count("/") - 1) or "./"
    body = await compute(lambda: page.render_page(template, {**make(), "root": root}))
    return await body_answer(request, body, "text/html", status)


@web.middleware
async def _helpful(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return text_answer(f"there is nothing here; there is {_PLACES}\n", 404)


async def _dress(security: Security, _: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)  # it names the versions of Python and aiohttp
    response.headers.update(security.config.headers)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
