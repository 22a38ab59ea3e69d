"""A pretend cloud whose clock is set by hand, served on a free port, and the vendor's own clients for it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from huaweicloudsdkcdm.v1 import CdmClient
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkdli.v1 import DliClient
from huaweicloudsdkdws.v2 import DwsClient

from exporter.simulator import Cloud, make_app

NOON = 1_762_228_800.0


@dataclass
class Hand:
    """A clock that only a test moves; Unix seconds."""

    now: float = NOON

    def __call__(self) -> float:
        return self.now


@dataclass
class Vendor:
    """The vendor's clients, signing with one key pair."""

    dli: Any
    dws: Any
    cdm: Any

    async def ask(self, method: Callable[[Any], Any], request: Any) -> Any:
        """Call a blocking method of a client in a thread."""
        return await asyncio.to_thread(method, request)


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def cloud(clock: Hand) -> Cloud:
    return Cloud(clock=clock)


@pytest.fixture
async def url(cloud: Cloud) -> AsyncIterator[str]:
    async with TestServer(make_app(cloud)) as server:
        yield str(server.make_url("/")).rstrip("/")


@pytest.fixture
def vendor_with(cloud: Cloud, url: str) -> Iterator[Callable[[str], Vendor]]:
    """Make the vendor's clients with a given secret."""
    clients: list[Any] = []

    def make(secret: str) -> Vendor:
        keys = BasicCredentials(cloud.access_key, secret, cloud.project_id)
        made = [
            kind.new_builder().with_credentials(keys).with_endpoint(url).build()
            for kind in (DliClient, DwsClient, CdmClient)
        ]
        clients.extend(made)
        return Vendor(*made)

    yield make
    for client in clients:  # the vendor's clients have no way to be closed
        client._http_client._session.close()


@pytest.fixture
def vendor(cloud: Cloud, vendor_with: Callable[[str], Vendor]) -> Vendor:
    return vendor_with(cloud.secret_key)
