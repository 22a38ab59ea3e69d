"""The pretend cloud over HTTP: all services, IAM and a node's metadata under one address."""

import asyncio
from typing import Final

from aiohttp import web

from exporter.simulator import gateway, node_api
from exporter.simulator.answers import Answer, Call
from exporter.simulator.cloud import Cloud
from exporter.simulator.faults import Fault

CLOUD: Final = web.AppKey("cloud", Cloud)
_CLOSING: Final = web.AppKey("closing", asyncio.Event)


def make_app(cloud: Cloud) -> web.Application:
    """Return an application that serves *cloud*; the caller chooses the address."""
    app = web.Application()
    app[CLOUD] = cloud
    app[_CLOSING] = asyncio.Event()
    app.on_shutdown.append(_release)
    app.router.add_route("*", "/{path:(?s:.*)}", _serve)
    return app


async def _release(app: web.Application) -> None:
    """Let go of the answers that stall: they would hold up the end of the server."""
    app[_CLOSING].set()


async def _serve(request: web.Request) -> web.StreamResponse:
    path, _, query = request.raw_path.partition("?")
    headers = {name.lower(): value for name, value in request.headers.items()}
    call = Call(request.method, path, query, headers, await request.read())
    cloud = request.app[CLOUD]
    answer, fault = node_api.handle(cloud, call) or gateway.handle(cloud, call)
    if fault is None:
        return web.Response(status=answer.status, body=answer.body, headers=dict(answer.headers))
    return await _misbehave(request, answer, fault)


async def _misbehave(request: web.Request, answer: Answer, fault: Fault) -> web.StreamResponse:
    """Send *answer* late, in part, or not at all."""
    await _wait(request, fault.delay)
    if fault.closes:
        _close(request)
        return web.Response()
    response = web.StreamResponse(status=answer.status, headers=dict(answer.headers))
    response.content_length = len(answer.body)
    await response.prepare(request)
    await _wait(request, fault.stall)
    if fault.cut is None:
        await response.write(answer.body)
    else:
        await response.write(answer.body[: fault.cut])
        _close(request)
    return response


async def _wait(request: web.Request, seconds: float) -> None:
    """Wait *seconds*, at most until the server shuts down."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await request.app[_CLOSING].wait()
    except TimeoutError:
        return


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
