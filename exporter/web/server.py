"""The web server: its routes, the headers of every response, and the health checks."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from aiohttp import web

from exporter.config.web_file import WebConfig
from exporter.model.errors import SettingsError
from exporter.threads import compute
from exporter.web.answers import body_answer, dress, json_answer, text_answer
from exporter.web.listening.security import Security
from exporter.web.listening.turn_queue import BusyError
from exporter.web.metrics import Metrics
from exporter.web.openapi import description
from exporter.web.page import rendering
from exporter.web.ports import Exporter
from exporter.web.scrapes import Scrapes
from exporter.web.site import Site

SCRAPES: Final = web.AppKey("scrapes", Scrapes)
"""Where the application keeps the counter of answered scrapes."""
_READY_AFTER: Final = 60.0
"""Seconds after which the exporter is ready whatever it waits for."""
_NAMES_TOLD: Final = 5
_LIFECYCLE_OFF: Final = "lifecycle is not enabled; set web.enable_lifecycle: true\n"
_PLACES: Final = (
    "/, /metrics, /api/v1/jobs, /api/v1/jobs/{service}/{job}, /api/v1/jobs/{service}/{job}/runs, /api/v1/changes,"
    " /api/v1/openapi.json, /-/healthy, /-/ready"
)
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
    site = Site(exporter)
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
        web.get("/api/v1/job", site.job_of_query),
        web.get("/api/v1/job/runs", site.job_of_query),
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


async def _healthy(_: web.Request) -> web.StreamResponse:
    return text_answer("ok\n")


async def _reload(exporter: Exporter, request: web.Request) -> web.StreamResponse:
    if not exporter.may_reload:
        return text_answer(_LIFECYCLE_OFF, 404)
    try:
        # to its end, though the client may leave
        return await json_answer(request, await asyncio.shield(exporter.reload()))
    except SettingsError as error:
        return await json_answer(request, {"mistakes": list(error.mistakes)}, 400)


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
    return web.Response(body=rendering.icon(failed, blind), content_type="image/svg+xml", headers=headers)


def _small(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


async def _openapi(request: web.Request) -> web.StreamResponse:
    return await json_answer(request, description())


async def _static(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    if name not in rendering.ASSETS:
        raise web.HTTPNotFound
    content, version = await compute(rendering.static, name)
    keep = "max-age=31536000, immutable" if request.query.get("v") == version else "no-cache"
    return await body_answer(request, content, rendering.ASSETS[name], keep=keep)


@web.middleware
async def _helpful(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except BusyError:
        return text_answer("too many requests for lists and pages wait already\n", 503, **{"Retry-After": "1"})
    except web.HTTPNotFound:
        return text_answer(f"there is nothing here; there is {_PLACES}\n", 404)


async def _dress(security: Security, request: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)  # it names the versions of Python and aiohttp
    dress(response.headers, security.config.headers)
    if request.body_exists:
        # No handler reads a body. So none is followed by another request, and nothing that is smuggled in one is read.
        response.headers["Connection"] = "close"
        response.force_close()
