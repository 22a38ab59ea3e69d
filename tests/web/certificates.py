"""Certificates and keys of the tests' own authorities, and a web side that serves by a web configuration file."""

import base64
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import trustme

from exporter.config.web_file import WebConfig, read_web_config
from exporter.config.web_settings import Web
from exporter.web.listening.listener import served
from exporter.web.listening.security import Security
from exporter.web.server import make_app
from tests.web.fakes import FakeExporter

CLIENT_NAMES = ("scraper.example", "10.1.2.3", "fd00::1", "ops@example.org")


@dataclass(frozen=True)
class Files:
    """A folder with server.crt, server.key, client_ca.pem, and a pair of client certificates or more."""

    folder: Path
    authority: trustme.CA
    clients: trustme.CA

    def server(self) -> None:
        """Issue another certificate for the server, as a rotation does."""
        issued = self.authority.issue_cert("localhost", "127.0.0.1", key_type=trustme.KeyType.RSA)
        for name, parts in (("server.crt", issued.cert_chain_pems), ("server.key", [issued.private_key_pem])):
            aside = self.folder / f"{name}.new"
            aside.write_bytes(b"".join(part.bytes() for part in parts))
            aside.replace(self.folder / name)

    def client(self, name: str, authority: trustme.CA | None = None, *identities: str, days: int = 1) -> None:
        """Issue a client's certificate, with its key in one file."""
        until = datetime.now(UTC) + timedelta(days=days)
        issued = (authority or self.clients).issue_cert(
            *(identities or CLIENT_NAMES), not_before=until - timedelta(days=3), not_after=until
        )
        issued.private_key_and_cert_chain_pem.write_to_path(str(self.folder / name))

    def trusting(self, certificate: str | None = None, **limits: Any) -> ssl.SSLContext:
        """Return the client's side of TLS, with a certificate if one is named."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if certificate:
            context.load_cert_chain(self.folder / certificate)
        for name, value in limits.items():
            setattr(context, name, value)
        return context

    def write(self, text: str, name: str = "web.yml") -> Path:
        """Write a web configuration file."""
        path = self.folder / name
        path.write_text(text)
        return path

    def read(self, text: str) -> WebConfig:
        """Write a web configuration file and read it."""
        return read_web_config(self.write(text))


def make(folder: Path) -> Files:
    """Fill a folder."""
    first, contents = _first()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return replace(first, folder=folder)


@cache
def _first() -> tuple[Files, Mapping[str, bytes]]:
    """Issue what every folder begins with, once: a key takes a quarter of a second to make."""
    with TemporaryDirectory() as folder:
        files = Files(Path(folder), trustme.CA(), trustme.CA())
        files.server()
        files.clients.cert_pem.write_to_path(str(files.folder / "client_ca.pem"))
        files.client("client.pem")
        files.client("other.pem", trustme.CA())
        files.client("expired.pem", days=-1)
        return files, {path.name: path.read_bytes() for path in files.folder.iterdir()}


@asynccontextmanager
async def door(
    config: WebConfig, exporter: FakeExporter | None = None, **more: Any
) -> AsyncIterator[tuple[str, Security]]:
    """Serve a web side on a free port by *config*, and provide its address."""
    security = Security(config, **more)
    application = make_app(exporter or FakeExporter(), security=security)
    async with served(application, Web(listen_address="127.0.0.1:0"), 1.0, security) as (address,):
        yield address, security


async def get(
    address: str,
    tls: ssl.SSLContext | None = None,
    user: str | None = None,
    password: str = "",
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Mapping[str, str]]:
    """Return status and headers of one GET by a connection of its own; 0 if there is no answer."""
    if user is not None:
        headers = {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls or True)) as session:
        try:
            async with session.get(f"{address}/metrics", headers=headers) as answer:
                await answer.read()
                return answer.status, answer.headers
        except (TimeoutError, aiohttp.ClientError, OSError):
            return 0, {}
