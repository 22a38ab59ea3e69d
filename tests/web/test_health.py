"""Health, readiness, and what every answer carries."""

import pytest

from tests.web.fakes import FakeExporter, running, serving


async def test_it_is_healthy_whatever_the_cloud_does() -> None:
    async with serving(FakeExporter(unpolled=["dli/a"])) as client:
        answer = await client.get("/-/healthy")

        assert (answer.status, await answer.text()) == (200, "ok\n")


async def test_it_is_ready_once_every_job_was_tried_and_stays_so() -> None:
    jobs = FakeExporter(unpolled=[f"cdm/job {number}" for number in range(7)])
    async with serving(jobs, monotonic=lambda: 0.0) as client:
        before = await client.get("/-/ready")
        jobs.unpolled.clear()
        ready = await client.get("/-/ready")
        jobs.unpolled.append("cdm/late")
        after = await client.get("/-/ready")

        assert (before.status, ready.status, after.status) == (503, 200, 200)
        assert "7 not tried yet: cdm/job 0, cdm/job 1," in await before.text()
        assert "and 2 more; ready in 60 s at the latest" in await before.text()


async def test_it_is_ready_after_a_minute_whatever_it_waits_for() -> None:
    time = [100.0]
    async with serving(FakeExporter(unpolled=["dli/a"]), monotonic=lambda: time[0]) as client:
        time[0] = 159.9
        assert (await client.get("/-/ready")).status == 503
        time[0] = 160.0
        assert (await client.get("/-/ready")).status == 200
        time[0] = 100.0
        assert (await client.get("/-/ready")).status == 200, "it stays 200"


async def test_a_name_cannot_forge_a_line_of_the_answer() -> None:
    async with serving(FakeExporter(unpolled=["dli/a\nok"])) as client:
        assert (await (await client.get("/-/ready")).text()).count("\n") == 1


async def test_reload_is_off_and_get_is_not_its_method() -> None:
    async with serving() as client:
        post, get = await client.post("/-/reload"), await client.get("/-/reload")

        assert (post.status, await post.text()) == (404, "lifecycle is not enabled; set web.enable_lifecycle: true\n")
        assert (get.status, get.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://{host}"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "http://{host}"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://elsewhere.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_a_page_of_another_site_cannot_reload(headers: dict[str, str], status: int) -> None:
    exporter = FakeExporter(may_reload=True)
    async with serving(exporter) as client:
        host = f"{client.host}:{client.port}"
        answer = await client.post(
            "/-/reload", headers={name: text.format(host=host) for name, text in headers.items()}
        )

        assert answer.status == status
        assert exporter.reloads == (status == 200)


@pytest.mark.parametrize("path", ["/nothing", "/static/../server.py", "/static/index.html", "/api/v1/", "/jobs/dli/"])
async def test_an_unknown_path_is_told_what_there_is(path: str) -> None:
    async with serving() as client:
        answer = await client.get(path)

        assert answer.status == 404
        assert "/metrics" in await answer.text()


@pytest.mark.parametrize(
    "path", ["/", "/metrics", "/api/v1/jobs", "/jobs/dli/nightly", "/jobs/dli/none", "/-/ready", "/favicon.ico", "/x"]
)
async def test_every_answer_is_guarded_and_says_nothing_of_its_versions(path: str) -> None:
    async with serving(FakeExporter([running()])) as client:
        answer = await client.get(path)

        assert "Server" not in answer.headers
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Frame-Options"] == "DENY"
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["/", "/jobs/dli/nightly", "/api/v1/jobs", "/api/v1/jobs/dli/nightly", "/-/ready"])
async def test_what_changes_is_never_stored(path: str) -> None:
    async with serving(FakeExporter([running()])) as client:
        assert (await client.get(path)).headers["Cache-Control"] == "no-store"
        assert (await client.head(path)).status == 200
