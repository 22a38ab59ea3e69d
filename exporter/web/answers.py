"""How answers are put together: compressed if the client likes, and kept by nobody unless it may be."""

from aiohttp import web

from exporter.web.job_json import encoded
from exporter.web.metrics import compressed, header
from exporter.web.negotiate import gzip_ok


async def json_answer(request: web.Request, value: object, status: int = 200) -> web.Response:
    """Return *value* as JSON."""
    return await body_answer(request, encoded(value), "application/json", status)


async def body_answer(
    request: web.Request, body: bytes, kind: str, status: int = 200, keep: str = "no-store"
) -> web.Response:
    """Return *body*; *keep* is what caches may do with it."""
    content, zipped = await compressed(body, gzip_ok(header(request, "Accept-Encoding")))
    headers = {"Content-Type": f"{kind}; charset=utf-8", "Cache-Control": keep, "Vary": "Accept-Encoding"}
    if zipped:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=content, status=status, headers=headers)


def text_answer(text: str, status: int = 200) -> web.Response:
    """Return plain text."""
    headers = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
    return web.Response(body=text.encode("utf-8", "replace"), status=status, headers=headers)
