"""A client of the pretend cloud that signs by hand, by any clock."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp

from exporter.simulator import AccessKey

EMPTY = hashlib.sha256(b"").hexdigest()


def signed(url: str, path: str, key: AccessKey, now: float) -> dict[str, str]:
    """Return the headers of a GET without a query."""
    date = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": urlsplit(url).netloc, "x-sdk-date": date}
    if key.security_token is not None:
        headers["x-security-token"] = key.security_token
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = f"GET\n{quote(path)}/\n\n{lines}\n{names}\n{EMPTY}"
    text = f"SDK-HMAC-SHA256\n{date}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    digest = hmac.new(key.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return {
        **headers,
        "authorization": f"SDK-HMAC-SHA256 Access={key.key_id}, SignedHeaders={names}, Signature={digest}",
    }


@dataclass
class Client:
    """Asks over HTTP and returns the status and the body as text."""

    session: aiohttp.ClientSession
    url: str
    wall: Callable[[], float]

    async def sign(self, path: str, key: AccessKey) -> tuple[int, str]:
        """GET *path*, signed with *key*."""
        return await self.send("GET", path, signed(self.url, path, key, self.wall()))

    async def show(self, path: str, token: str) -> tuple[int, str]:
        """GET *path* with a token."""
        return await self.send("GET", path, {"X-Auth-Token": token})

    async def send(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: Any = None
    ) -> tuple[int, str]:
        """Send any request; *body* goes as JSON."""
        async with self.session.request(method, self.url + path, headers=headers, json=body) as answer:
            return answer.status, await answer.text()
