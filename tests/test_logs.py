"""What the log looks like, and what it never says."""

import json
import logging

import pytest
import structlog

from exporter import logs
from exporter.model.masking import VendorText


@pytest.fixture(autouse=True)
def _restored() -> object:
    """Give the next test its logging back."""
    yield
    logs.configure("info", "json")
    structlog.reset_defaults()
    logging.basicConfig(handlers=[], force=True)


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    structlog.get_logger().info("poll works again", job="订单", was="timeout")

    line = json.loads(capsys.readouterr().err)
    assert line | {"timestamp": ""} == {
        "event": "poll works again",
        "job": "订单",
        "was": "timeout",
        "level": "info",
        "timestamp": "",
    }


def test_the_console_shows_the_job_first_times_as_times_and_durations_with_units(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("info", "console")
    log = structlog.get_logger()
    log.warning("poll failed", service="dli", job="orders", code="", error="no answer", next_poll_seconds=33.812)
    log.warning("values stale", service="dli", job="or\nders", last_poll_at=1700000000.5, was=None, projects=["a", "b"])
    log.info("circuit opened", next_try_seconds=5400.2)

    lines = [line.partition("Z ")[2] for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        '[warning  ] dli/orders poll failed error="no answer" next_poll=33.8s',
        '[warning  ] dli/or\\nders values stale last_poll_at=2023-11-14T22:13:20Z projects="a, b"',
        "[info     ] circuit opened next_try=1h30m",
    ]


def test_json_leaves_out_what_is_empty_and_writes_times_as_times(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    structlog.get_logger().info("x", code="", was=None, more=[], jobs=0, last_poll_at=1700000000, next_poll_seconds=3.5)

    line = json.loads(capsys.readouterr().err)
    assert line | {"timestamp": ""} == {
        "event": "x",
        "level": "info",
        "timestamp": "",
        "jobs": 0,
        "last_poll_at": "2023-11-14T22:13:20Z",
        "next_poll_seconds": 3.5,
    }


@pytest.mark.parametrize(
    ("how", "expected"),
    [(VendorText.OFF, ""), (VendorText.REDACTED, "no user '***'"), (VendorText.FULL, "no user 'Smith'")],
)
def test_the_vendors_text_is_logged_as_the_configuration_allows(how: VendorText, expected: str) -> None:
    assert logs.vendor_text("no user 'Smith'") == ""
    logs.configure("info", "json", how)

    assert logs.vendor_text("no user 'Smith'") == expected


def test_what_is_below_the_level_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("error", "json")
    structlog.get_logger().warning("poll failed")
    logging.getLogger("aiohttp").warning("odd")

    assert capsys.readouterr().err == ""


def test_what_a_library_says_is_masked(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    logging.getLogger("aiohttp").warning("odd answer of https://etl:hunter2@proxy:3128/?token=abc")

    assert json.loads(capsys.readouterr().err)["event"] == "odd answer of https://***@proxy:3128/?token=***"


def test_a_librarys_exception_is_told_without_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    try:
        raise ValueError("select secret from t")
    except ValueError:
        logging.getLogger("aiohttp.server").exception("Error handling request from %s\nselect secret", "127.0.0.1")

    text = capsys.readouterr().err
    line = json.loads(text)
    assert "secret" not in text
    assert (line["event"], line["logger"], line["exception"]) == (
        "Error handling request from 127.0.0.1",
        "aiohttp.server",
        "ValueError",
    )
    assert "test_logs.py" in line["traceback"][0]
