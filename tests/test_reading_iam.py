"""The vendor's own IAM client against the simulator: its calls are accepted, and it reads what the exporter reads."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from huaweicloudsdkcore.auth.credentials import GlobalCredentials
from huaweicloudsdkcore.sdk_response import SdkResponse
from huaweicloudsdkiam.v3 import (
    AuthScope,
    AuthScopeProject,
    IamClient,
    KeystoneCreateUserTokenByPasswordRequest,
    KeystoneCreateUserTokenByPasswordRequestBody,
    KeystoneListProjectsRequest,
    PwdAuth,
    PwdIdentity,
    PwdPassword,
    PwdPasswordUser,
    PwdPasswordUserDomain,
)

from exporter.clock import SystemClock
from exporter.cloud.client import Client
from exporter.cloud.credentials import Call
from exporter.cloud.credentials.access_key import AccessKey
from exporter.cloud.credentials.password import Password
from exporter.cloud.iam import find_project_id
from exporter.simulator import Cloud, make_app
from tests.cloud.pretend import iam_calls


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
async def url(cloud: Cloud) -> AsyncIterator[str]:
    async with TestServer(make_app(cloud)) as server:
        yield str(server.make_url("")).rstrip("/")


async def asked(cloud: Cloud, url: str, method: str, request: Any) -> SdkResponse:
    credentials = GlobalCredentials(cloud.access_key, cloud.secret_key, cloud.domain_id)
    client = IamClient.new_builder().with_credentials(credentials).with_endpoint(url).build()
    try:
        return await asyncio.to_thread(getattr(client, method), request)
    finally:
        client._http_client._session.close()  # the vendor's clients have no way to be closed


async def test_the_project_id_is_the_one_that_the_vendors_client_reads(cloud: Cloud, url: str) -> None:
    key = AccessKey(key_id=cloud.access_key, secret=cloud.secret_key)
    async with Client(5) as transport:
        iam = iam_calls(transport, SystemClock())
        ours = await find_project_id(iam, url, cloud.region, key, SystemClock())
    theirs = await asked(cloud, url, "keystone_list_projects", KeystoneListProjectsRequest(name=cloud.region))

    assert [project.id for project in theirs.projects] == [ours]
    assert [each.status for each in cloud.requests] == [200, 200]


async def test_a_token_is_the_one_that_the_vendors_client_reads(cloud: Cloud, url: str) -> None:
    user = PwdPasswordUser(PwdPasswordUserDomain(cloud.domain), cloud.user, cloud.password)
    scope = AuthScope(project=AuthScopeProject(name=cloud.region))
    auth = PwdAuth(PwdIdentity(["password"], PwdPassword(user)), scope)
    body = KeystoneCreateUserTokenByPasswordRequestBody(auth)
    request = KeystoneCreateUserTokenByPasswordRequest(nocatalog="true", body=body)
    theirs: Any = await asked(cloud, url, "keystone_create_user_token_by_password", request)
    async with Client(5) as transport:
        ours = Password(
            domain=cloud.domain,
            user=cloud.user,
            password=cloud.password,
            region=cloud.region,
            iam=iam_calls(transport, SystemClock()),
            iam_url=url,
            clock=SystemClock(),
        )
        sent = await ours.headers(Call("GET", "dli.example.com", "/", 0))
        project_id = await ours.project_id()

    assert project_id == theirs.token.project.id
    until = datetime.fromisoformat(theirs.token.expires_at).timestamp()
    assert ours.expires_at == pytest.approx(until, abs=10)
    assert {theirs.x_subject_token, sent["X-Auth-Token"]} <= set(cloud.gate.tokens)
    assert theirs.token.user.name == cloud.user
