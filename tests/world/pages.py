"""Asks an exporter of a world for one of its pages, over its network."""

import asyncio
import re

from tests.world.machine import PORT, Machine


async def page_of(machine: Machine, path: str) -> tuple[int, str]:
    """Return the status and the text of a page."""
    reader, writer = await asyncio.open_connection(machine.address, PORT)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: exporter:{PORT}\r\nConnection: close\r\n\r\n".encode())
        heads = (await reader.readuntil(b"\r\n\r\n")).decode()
        found = re.search(r"(?i)content-length: (\d+)", heads)
        body = await (reader.read() if found is None else reader.readexactly(int(found[1])))
        if "transfer-encoding: chunked" in heads.lower():
            body = _unchunked(body)
        return int(heads.split(" ")[1]), body.decode()
    finally:
        writer.close()


def _unchunked(body: bytes) -> bytes:
    parts, rest = [], body
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            break
        parts.append(rest[:length])
        rest = rest[length + 2 :]
    return b"".join(parts)
