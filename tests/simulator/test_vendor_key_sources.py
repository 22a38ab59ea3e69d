"""The vendor's own readers of temporary keys, against a node and a pod that pretend; they go by the real clock."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.auth.internal import MetadataAccessor
from huaweicloudsdkcore.auth.provider import MetadataBasicCredentialProvider, PodIdentityCredentialProvider
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException, SdkException
from huaweicloudsdkdli.v1 import DliClient, ShowSqlJobProgressRequest

from exporter.simulator import CAMEL, PLAIN, SNAKE, Cloud, DliJob, Spelling, SubJob

SPELLINGS = [PLAIN, CAMEL, SNAKE, replace(SNAKE, wrapper="credentials", expires="expiration")]


@pytest.fixture(autouse=True)
def node(url: str, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lead the vendor's code to the pretend node: its address is fixed in a private attribute."""
    monkeypatch.setattr(MetadataAccessor, "_METADATA_ENDPOINT", url)
    cloud.add(DliJob("1", "orders", cloud.started, (SubJob("save", 10, 1000),)))


@pytest.fixture
def dli(url: str) -> Iterator[Callable[[BasicCredentials], Any]]:
    clients: list[Any] = []

    def make(credentials: BasicCredentials) -> Any:
        clients.append(DliClient.new_builder().with_credentials(credentials).with_endpoint(url).build())
        return clients[-1]

    yield make
    for client in clients:  # the vendor's clients have no way to be closed
        client._http_client._session.close()


async def provided(cloud: Cloud) -> BasicCredentials:
    provider = MetadataBasicCredentialProvider()
    provider.project_id = cloud.project_id
    return await asyncio.to_thread(provider.get_credentials)


async def poll(client: Any) -> None:
    await asyncio.to_thread(client.show_sql_job_progress, ShowSqlJobProgressRequest(job_id="1"))


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_the_vendors_client_signs_with_a_nodes_key(
    cloud: Cloud, dli: Callable[[BasicCredentials], Any], spelling: Spelling
) -> None:
    cloud.metadata.spelling = spelling
    cloud.metadata.token_required = True
    client = dli(await provided(cloud))
    for _ in range(2):
        await poll(client)
    assert [each.operation for each in cloud.requests] == [
        "CreateMetadataToken",
        "ShowSecurityKey",
        "ShowSqlJobProgress",
        "ShowSqlJobProgress",
    ]


async def test_the_vendors_client_asks_again_with_less_than_forty_minutes_left(
    cloud: Cloud, dli: Callable[[BasicCredentials], Any]
) -> None:
    cloud.metadata.renew(time.time() - 1300)
    credentials = await provided(cloud)
    old = credentials.ak
    cloud.metadata.renew(time.time())
    await poll(dli(credentials))
    assert credentials.ak != old
    assert [each.credential for each in cloud.asked("ShowSqlJobProgress")] == [credentials.ak]


async def test_the_vendors_client_takes_another_token_when_its_own_is_unknown(cloud: Cloud) -> None:
    cloud.metadata.token_required = True
    cloud.metadata.renew(time.time() - 1300)
    credentials = await provided(cloud)
    cloud.metadata.tokens.clear()
    await asyncio.to_thread(credentials.process_sts, None)
    assert [(each.operation, each.status) for each in cloud.requests][2:] == [
        ("ShowSecurityKey", 401),
        ("CreateMetadataToken", 200),
        ("ShowSecurityKey", 200),
    ]


@pytest.mark.parametrize("status", [404, 405, 503])
async def test_the_vendors_client_does_without_a_token(cloud: Cloud, status: int) -> None:
    cloud.metadata.token_refusal = status
    assert (await provided(cloud)).ak in cloud.gate.keys


async def test_the_vendors_client_gives_up_without_an_agency(cloud: Cloud) -> None:
    cloud.metadata.agency = False
    with pytest.raises(ClientRequestException) as caught:
        await provided(cloud)
    assert caught.value.status_code == 401
    assert len(cloud.asked("CreateMetadataToken")) == 1, "it knows the sentence and asks for no other token"


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_the_vendors_client_signs_with_a_pods_key(
    cloud: Cloud,
    url: str,
    dli: Callable[[BasicCredentials], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spelling: Spelling,
) -> None:
    file = tmp_path / "token"
    file.write_text(cloud.pod_identity.authorization)
    monkeypatch.setenv("HC_CONTAINER_CREDENTIALS_FULL_URI", url + cloud.pod_identity.path)
    monkeypatch.setenv("HC_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(file))
    cloud.pod_identity.spelling = spelling
    credentials = await asyncio.to_thread(PodIdentityCredentialProvider.get_basic().get_credentials)
    await poll(dli(credentials.with_project_id(cloud.project_id)))
    assert cloud.asked("ShowSqlJobProgress")[0].user == "pod_agency"
    file.write_text("guessed")
    with pytest.raises(SdkException):
        await asyncio.to_thread(PodIdentityCredentialProvider.get_basic().get_credentials)
    assert [each.status for each in cloud.asked("CreatePodKey")] == [200, 401]
