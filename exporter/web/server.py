"""The web server: its routes, what every answer carries, and what health means."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import Final

from aiohttp import web

from exporter.config.web_file import WebConfig
from exporter.model.errors import SettingsError
from exporter.model.job import JobKey
from exporter.model.record import Record
from exporter.threads import compute
from exporter.web import page
from exporter.web.job_json import encoded, job_document
from exporter.web.metrics import Metrics, Scrapes, compressed, header
from exporter.web.negotiate import gzip_ok
from exporter.web.ports import Exporter
from exporter.web.query import Query, QueryError, matching, nearest_jobs, page_of, parse_query
from exporter.web.security import Security

SCRAPES: Final = web.AppKey("scrapes", Scrapes)
"""Where the application keeps the counter of answered scrapes."""
READY_AFTER: Final = 60.0
"""Seconds after which the exporter is ready whatever it waits for."""
NAMES_TOLD: Final = 5
_SLICE: Final = 100
"""Jobs turned to JSON before the loop may serve others."""
LIFECYCLE_OFF: Final = "lifecycle is not enabled; set web.enable_lifecycle: true\n"
_PLACES: Final = "/, /metrics, /api/v1/jobs, /api/v1/jobs/{service}/{job}, /-/healthy, /-/ready"
ICON: Final = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="#1d2733"/>'
    b'<rect x="3" y="6" width="10" height="4" rx="2" fill="#3d4f61"/>'
    b'<rect x="3" y="6" width="6" height="4" rx="2" fill="#4cc2a6"/></svg>'
)
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
        web.get("/static/{name}", _static),
        web.get("/favicon.ico", _icon),
        web.get("/api/v1/jobs", site.listing),
        web.get("/api/v1/jobs/" + _JOB, site.job),
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
            return await _json(request, {"error": str(error)}, 400)
        _, found = await self._found(query)
        now, parts = self._exporter.now(), []
        for index, record in enumerate(page_of(found, query)):
            parts.append(encoded(self._document(record)))
            if index % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
        head = encoded({"now": now, "total": len(found)})
        body = b"".join((head[:-1], b',"jobs":[', b",".join(parts), b"]}"))
        return await _answer(request, body, "application/json")

    async def job(self, request: web.Request) -> web.StreamResponse:
        """Answer one job."""
        service, name = request.match_info["service"], request.match_info["job"]
        record = self._exporter.record(service, name)
        if record is None:
            near = [key._asdict() for key in await self._nearest(service, name)]
            return await _json(request, {"error": _missing(service, name), "nearest": near}, 404)
        return await _json(request, {"now": self._exporter.now(), **self._document(record)})

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
        records, found = await self._found(query)
        view = page.listing(await compute(page.tally, records), found, query, self._exporter, mistake)
        return await _html(request, "index.html", view, 400 if mistake else 200)

    async def job_page(self, request: web.Request) -> web.StreamResponse:
        """Answer the page of one job."""
        service, name = request.match_info["service"], request.match_info["job"]
        record = self._exporter.record(service, name)
        if record is None:
            near = [(key, page.link(key)) for key in await self._nearest(service, name)]
            view = {"now": self._exporter.now(), "missing": _missing(service, name), "nearest": near}
            return await _html(request, "missing.html", view, 404)
        return await _html(request, "job.html", page.single(record, self._exporter))

    async def _found(self, query: Query) -> tuple[Collection[Record], Sequence[Record]]:
        """Return all records and those asked for; records are frozen, so a thread may sift them."""
        records = tuple(self._exporter.records())
        asked = records if query.sort == "next_poll" else ()
        due = {record.job.key: self._exporter.next_due(record.job.key) for record in asked}
        return records, await compute(matching, records, query, due.get)

    async def _nearest(self, service: str, name: str) -> list[JobKey]:
        return await compute(nearest_jobs, tuple(self._exporter.records()), service, name)


class _Ready:
    """Ready once every registered job was tried, at the latest after a minute, and ready for ever then."""

    def __init__(self, exporter: Exporter, monotonic: Callable[[], float]) -> None:
        self._exporter = exporter
        self._monotonic = monotonic
        self._until = monotonic() + READY_AFTER
        self._ready = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        left = self._until - self._monotonic()
        waiting = [] if self._ready or left <= 0 else list(self._exporter.waiting())
        self._ready = not waiting
        if self._ready:
            return _text("ready\n")
        names = ", ".join(_plain(name) for name in waiting[:NAMES_TOLD])
        more = f" and {len(waiting) - NAMES_TOLD} more" if len(waiting) > NAMES_TOLD else ""
        return _text(
            f"not ready: {len(waiting)} not tried yet: {names}{more}; ready in {left:.0f} s at the latest\n",
            503,
        )


def _plain(name: str) -> str:
    """Return a name in one line, whatever characters it holds."""
    return name if name.isprintable() else repr(name)


def _missing(service: str, name: str) -> str:
    return f"no job {name!r} of service {service!r} is registered"


async def _healthy(_: web.Request) -> web.StreamResponse:
    return _text("ok\n")


async def _reload(exporter: Exporter, request: web.Request) -> web.StreamResponse:
    if not exporter.may_reload:
        return _text(LIFECYCLE_OFF, 404)
    if _of_another_site(request):
        return _text("a page of another site may not reload the configuration\n", 403)
    try:
        return await _json(request, await exporter.reload())
    except SettingsError as error:
        return await _json(request, {"mistakes": list(error.mistakes)}, 400)


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


async def _icon(_: web.Request) -> web.StreamResponse:
    return web.Response(body=ICON, content_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"})


async def _static(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    if name not in page.ASSETS:
        raise web.HTTPNotFound
    content, version = await compute(page.static, name)
    keep = "max-age=31536000, immutable" if request.query.get("v") == version else "no-cache"
    return await _answer(request, content, page.ASSETS[name], keep=keep)


async def _html(request: web.Request, template: str, view: dict[str, object], status: int = 200) -> web.Response:
    # The page may be served below a prefix by a proxy, so every address on it is relative to this root.
    view["root"] = "../" * (request.rel_url.raw_path.count("/") - 1) or "./"
    return await _answer(request, await compute(page.render_page, template, view), "text/html", status)


async def _json(request: web.Request, value: object, status: int = 200) -> web.Response:
    return await _answer(request, encoded(value), "application/json", status)


async def _answer(
    request: web.Request, body: bytes, kind: str, status: int = 200, keep: str = "no-store"
) -> web.Response:
    content, zipped = await compressed(body, gzip_ok(header(request, "Accept-Encoding")))
    headers = {"Content-Type": f"{kind}; charset=utf-8", "Cache-Control": keep, "Vary": "Accept-Encoding"}
    if zipped:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=content, status=status, headers=headers)


def _text(text: str, status: int = 200) -> web.Response:
    headers = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
    return web.Response(body=text.encode("utf-8", "replace"), status=status, headers=headers)


@web.middleware
async def _helpful(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return _text(f"there is nothing here; there is {_PLACES}\n", 404)


async def _dress(security: Security, _: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)  # it names the versions of Python and aiohttp
    response.headers.update(security.config.headers)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
