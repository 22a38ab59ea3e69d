"""Who may ask, how often, and what is remembered of it."""

import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from huaweicloudsdkcdm.v1 import ListClustersRequest, ShowJobStatusRequest, ShowSubmissionsRequest
from huaweicloudsdkcore.exceptions.exceptions import ServiceResponseException
from huaweicloudsdkdli.v1 import ShowSqlJobProgressRequest

from exporter.simulator import AccessKey, CdmJob, Cloud, DliJob, SubJob
from exporter.simulator.answers import Call
from exporter.simulator.gateway import handle
from exporter.simulator.signing import canonical_request, parse, signature

PROJECT = "0123456789abcdef0123456789abcdef"
CDM = "/v1.1/" + PROJECT + "/clusters/6ec9a0a4-76be-4262-8697-e7af1fac7920/cdm/job/"
SECRET = "ExampleSecretKey0000000000000000000000001"
DATE = "20240102T030405Z"
CLUSTER = "6ec9a0a4-76be-4262-8697-e7af1fac7920"


@pytest.fixture
def job(cloud: Cloud) -> DliJob:
    job = DliJob(cloud.new_uuid(), "orders", cloud.started, (SubJob("save", 10, 1000),))
    cloud.add(job)
    return job


def call(cloud: Cloud, path: str, **headers: str) -> Call:
    return Call("GET", path, headers={"x-auth-token": cloud.token, **headers})


async def refused(vendor: Any, job: DliJob) -> ServiceResponseException:
    with pytest.raises(ServiceResponseException) as caught:
        await vendor.ask(vendor.dli.show_sql_job_progress, ShowSqlJobProgressRequest(job_id=job.job_id))
    return caught.value


@pytest.mark.parametrize(
    ("host", "path", "query", "more", "expected"),
    [
        pytest.param(
            "dli",
            f"/v1/{PROJECT}/jobs/a85d2a19-6e5c-4a0d-8b4f-1a2b3c4d5e6f/progress",
            "",
            {},
            "9e70ebeaa89b808d3c898425c8e9f79b308da85623eea2680f39d98fe3064ab3",
            id="plain",
        ),
        pytest.param(
            "dli",
            f"/v1/{PROJECT}/jobs/a85d2a19-6e5c-4a0d-8b4f-1a2b3c4d5e6f/progress",
            "",
            {"content-type": "application/json", "x-project-id": PROJECT},
            "3d78c649fe1dad6e670ba0cd94697c782957dae987cbeb74b870dcf4b3c96aaa",
            id="more headers",
        ),
        pytest.param(
            "cdm",
            CDM + "%E5%90%8C%E6%AD%A5%20a%2Bb~c/status",
            "",
            {"x-project-id": PROJECT},
            "37287dd954179f7f6978652008b3b5b8e743fe575b7d2498c95a5f8172e88d49",
            id="a Chinese name",
        ),
        pytest.param(
            "cdm",
            CDM + "all",
            "filter=a%20b%2Fc%2Bd~e%2A%E4%B8%AD&jobType=NORMAL_JOB&page_no=1&page_size=100",
            {"x-project-id": PROJECT},
            "f33a3fc4fa49b82238a35534188a8daba05e26c40641598e674d19d395cd8b8b",
            id="a query",
        ),
    ],
)
def test_the_signature_is_the_one_the_vendors_signer_makes(
    host: str, path: str, query: str, more: dict[str, str], expected: str
) -> None:
    headers = {"host": f"{host}.cn-north-4.myhuaweicloud.com", "x-sdk-date": DATE, **more}
    asked = Call("GET", path, query, headers)
    assert signature(SECRET, DATE, canonical_request(asked, tuple(sorted(headers)))) == expected


@pytest.mark.parametrize("header", ["", "Bearer x", "SDK-HMAC-SHA256 Access=a", "V11-HMAC-SHA256 Credential=a"])
def test_another_form_of_authorization_is_not_read(header: str) -> None:
    assert parse(header) is None


async def test_the_sixth_failure_in_a_row_locks_the_key_for_five_minutes(
    cloud: Cloud, job: DliJob, vendor_with: Callable[[str], Any]
) -> None:
    late = 0.0
    real = cloud.wall
    cloud.wall = lambda: real() + late
    wrong, right = vendor_with("a wrong secret"), vendor_with(cloud.secret_key)
    for _ in range(6):
        failure = await refused(wrong, job)
        assert (failure.status_code, failure.error_code) == (401, "APIGW.0301")
        assert "verify aksk signature fail" in failure.error_msg
    assert "failed to reach the limit" in (await refused(right, job)).error_msg
    late = 301.0
    await right.ask(right.dli.show_sql_job_progress, ShowSqlJobProgressRequest(job_id=job.job_id))


async def test_a_success_between_failures_keeps_the_key_open(
    cloud: Cloud, job: DliJob, vendor_with: Callable[[str], Any]
) -> None:
    wrong, right = vendor_with("a wrong secret"), vendor_with(cloud.secret_key)
    for _ in range(2):
        for _ in range(5):
            await refused(wrong, job)
        await right.ask(right.dli.show_sql_job_progress, ShowSqlJobProgressRequest(job_id=job.job_id))


@pytest.mark.parametrize("minutes", [-16, 16])
async def test_a_signature_of_another_quarter_of_an_hour_has_expired(
    cloud: Cloud, job: DliJob, vendor: Any, minutes: int
) -> None:
    real = cloud.wall
    cloud.wall = lambda: real() + 60 * minutes
    assert "signature expired" in (await refused(vendor, job)).error_msg


async def test_an_unknown_key_is_refused(cloud: Cloud, job: DliJob, vendor: Any) -> None:
    cloud.gate.keys.clear()
    assert "ak not exist" in (await refused(vendor, job)).error_msg


async def test_a_temporary_key_needs_its_token(cloud: Cloud, job: DliJob, vendor: Any) -> None:
    cloud.gate.keys[cloud.access_key] = AccessKey(cloud.access_key, cloud.secret_key, "agency", "its token")
    assert (await refused(vendor, job)).status_code == 401


def test_tokens_are_known_unknown_or_expired(cloud: Cloud, job: DliJob) -> None:
    path = f"/v1/{cloud.project_id}/jobs/{job.job_id}/progress"
    now = cloud.wall()
    cloud.wall = lambda: now
    short = cloud.new_token(60)
    codes = [
        handle(cloud, Call("GET", path, headers=headers))[0].status
        for headers in ({"x-auth-token": cloud.token}, {"x-auth-token": short.text}, {"x-auth-token": "x"}, {})
    ]
    assert codes == [200, 200, 401, 401]
    cloud.wall = lambda: now + 60
    late, _ = handle(cloud, Call("GET", path, headers={"x-auth-token": short.text}))
    assert (late.status, json.loads(late.body)["error_code"]) == (401, "APIGW.0307")


async def test_a_password_buys_a_token_and_the_token_finds_the_project(cloud: Cloud, url: str) -> None:
    user = {"name": cloud.user, "password": cloud.password, "domain": {"name": cloud.domain}}
    scope = {"project": {"name": cloud.region}}
    identity = {"methods": ["password"], "password": {"user": user}}
    async with aiohttp.ClientSession(url) as session:
        body = {"auth": {"identity": identity, "scope": scope}}
        async with session.post("/v3/auth/tokens?nocatalog=true", json=body) as answer:
            assert answer.status == 201
            token = answer.headers["X-Subject-Token"]
        async with session.get("/v3/projects?name=cn-north-4", headers={"X-Auth-Token": token}) as answer:
            assert [each["id"] for each in (await answer.json())["projects"]] == [cloud.project_id]
        async with session.get("/v3/projects?name=eu-de", headers={"X-Auth-Token": token}) as answer:
            assert (await answer.json())["projects"] == []
        user["password"] = "wrong"
        async with session.post("/v3/auth/tokens", json=body) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (401, 401)
        async with session.post("/v3/auth/tokens", json=["nonsense"]) as answer:
            assert answer.status == 400


async def test_the_121st_status_call_of_a_minute_is_throttled(cloud: Cloud, vendor: Any) -> None:
    cloud.add(CdmJob(CLUSTER, "orders", cloud.started))
    cloud.wall = vendor_clock = _Stopped(cloud.wall())
    request = ShowJobStatusRequest(cluster_id=CLUSTER, job_name="orders")
    for _ in range(120):
        await vendor.ask(vendor.cdm.show_job_status, request)
    with pytest.raises(ServiceResponseException) as caught:
        await vendor.ask(vendor.cdm.show_job_status, request)
    assert caught.value.status_code == 429
    path = f"/v1.1/{cloud.project_id}/clusters/{CLUSTER}/cdm/job/orders/status"
    body = json.loads(handle(cloud, call(cloud, path))[0].body)  # the vendor's client drops the body of a 429
    assert body["error_code"] == "APIGW.0308"
    assert "policy user over ratelimit,limit:120,time:1 minute" in body["error_msg"]
    assert cloud.limits.count(cloud.user, "cdm_d", vendor_clock()) == 120
    vendor_clock.now += 60
    await vendor.ask(vendor.cdm.show_job_status, request)


async def test_clusters_and_histories_share_one_limit_that_status_calls_do_not(cloud: Cloud, vendor: Any) -> None:
    cloud.limits.per_minute["cdm_common"] = 2
    cloud.add(CdmJob(CLUSTER, "orders", cloud.started))
    await vendor.ask(vendor.cdm.list_clusters, ListClustersRequest())
    history = ShowSubmissionsRequest(cluster_id=CLUSTER, jname="orders")
    await vendor.ask(vendor.cdm.show_submissions, history)
    with pytest.raises(ServiceResponseException):
        await vendor.ask(vendor.cdm.show_submissions, history)
    await vendor.ask(vendor.cdm.show_job_status, ShowJobStatusRequest(cluster_id=CLUSTER, job_name="orders"))


def test_a_throttled_answer_says_when_to_come_back(cloud: Cloud, job: DliJob) -> None:
    cloud.wall = _Stopped(1000.0)
    cloud.limits.per_minute["dli"] = 1
    asked = call(cloud, f"/v1/{cloud.project_id}/jobs/{job.job_id}/progress")
    assert handle(cloud, asked)[0].status == 200
    cloud.wall.now += 20
    late, _ = handle(cloud, asked)
    assert (late.status, late.headers["Retry-After"]) == (429, "40")


def test_requests_are_remembered_with_job_time_and_outcome(cloud: Cloud, clock: Any, job: DliJob) -> None:
    path = f"/v1/{cloud.project_id}/jobs/{job.job_id}/progress"
    handle(cloud, call(cloud, path))
    clock.now += 30
    handle(cloud, Call("GET", path))
    seen = cloud.asked("ShowSqlJobProgress", job=job.job_id)
    assert [(each.status, each.user, each.at - cloud.started) for each in seen] == [
        (200, cloud.user, 0.0),
        (401, None, 30.0),
    ]
    assert cloud.asked("ListSqlJobs") == []


class _Stopped:
    """A gateway clock that a test moves; Unix seconds."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
