"""By which names the exporter answers: not to a page that has its own name lead to it."""

import socket

import pytest

from exporter.config.web_file import WebConfig
from exporter.config.web_settings import Web
from exporter.web.listening.host_names import HostNames
from exporter.web.listening.security import Security
from tests.web.fakes import Client, FakeExporter, running, serving

PLACES = ("/", "/api/v1/jobs", "/api/v1/jobs/dli/nightly", "/jobs/dli/nightly", "/static/page.css", "/nothing")
SCRAPED = ("/metrics", "/-/healthy", "/-/ready")


def secured(**web: object) -> Security:
    security = Security(WebConfig())
    security.reached_by(Web.model_validate(web))
    return security


async def status(client: Client, path: str, host: str, method: str = "GET", **headers: str) -> int:
    return (await client.request(method, path, headers={"Host": host, **headers})).status


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:10926", "127.0.0.1.evil.example", "localhost.evil.example", "evillocalhost",
        "[::1", "[evil]", "a:b:c", "localhost:x", "010.0.0.1", "127.1", "10.0.0.1%evil", "jobs.example.com.evil",
        "xjobs.example.com",
    ],
)  # fmt: skip
async def test_page_json_and_post_do_not_answer_by_a_name_that_is_not_known(host: str) -> None:
    exporter = FakeExporter([running()], may_reload=True)
    async with serving(exporter, security=secured(allowed_hosts=("jobs.example.com",))) as client:
        for path in PLACES:
            assert await status(client, path, host) == 421
            assert await status(client, path, host, "HEAD") == 421
        for path in ("/-/reload", *SCRAPED):
            assert await status(client, path, host, "POST") == 421
        assert exporter.reloads == 0
        for path in SCRAPED:
            assert await status(client, path, host) == 200
            assert await status(client, path, host, "HEAD") == 200


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "localhost:10926", "LOCALHOST", "localhost.", "jobs.localhost:80", "127.0.0.1", "127.9.9.9:1",
        "[::1]", "[::1]:10926", "10.2.3.4:10926", "192.168.1.9", "[fd00::7]:443", "[fe80::1%25eth0]",
        "jobs.example.com", "JOBS.example.com.:8443", "jobs", "people.example:8080", "people.example",
        socket.gethostname(), "",
    ],
)  # fmt: skip
async def test_they_answer_by_every_name_that_is_known(host: str) -> None:
    exporter = FakeExporter([running()], may_reload=True)
    web = {"allowed_hosts": ("Jobs.Example.com", "jobs."), "external_url": "https://people.example/exporter"}
    async with serving(exporter, security=secured(**web)) as client:
        assert await status(client, "/", host) == 200
        assert await status(client, "/-/reload", host, "POST") == 200


async def test_the_refusal_says_what_to_set_and_repeats_no_markup() -> None:
    async with serving() as client:
        answer = await client.get("/", headers={"Host": "<script>" + "x" * 200})
        text = await answer.text()

    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "web.allowed_hosts (EXPORTER_WEB__ALLOWED_HOSTS)" in text
    assert "web.external_url" in text
    assert len(text) < 300


def test_a_name_in_the_target_counts_too() -> None:
    names = HostNames.of(Web())

    assert names.refused("GET", "/", ["127.0.0.1", "evil.example"], {}) is not None
    assert names.refused("GET", "/", ["127.0.0.1", "localhost:1"], {}) is None
    assert names.refused("GET", "/", [], {}) is None, "no browser leaves it out"


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("https://people.example", 200),
        ("https://people.example:8443", 403),
        ("https://other.example", 403),
        ("null", 403),
        ("http://127.0.0.1:1", 403),
    ],
)
async def test_the_page_behind_a_proxy_of_another_name_is_no_other_site(origin: str, expected: int) -> None:
    exporter = FakeExporter(may_reload=True)
    async with serving(exporter, security=secured(external_url="https://people.example")) as client:
        assert await status(client, "/-/reload", "10.0.0.1", "POST", Origin=origin) == expected


async def test_other_names_are_known_from_the_next_request_on() -> None:
    security = secured()
    async with serving(security=security) as client:
        assert await status(client, "/", "jobs.example.com") == 421
        security.reached_by(Web(allowed_hosts=("jobs.example.com",)))
        assert await status(client, "/", "jobs.example.com") == 200
        security.reached_by(Web())
        assert await status(client, "/", "jobs.example.com") == 421
