"""What the log looks like, and what it never says."""

import json
import logging

import pytest
import structlog

from exporter import logs


@pytest.fixture(autouse=True)
def _restored() -> object:
    """Give the next test its logging back."""
    yield
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


def test_console_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "console")
    structlog.get_logger().info("poll works again", job="orders")

    assert "poll works again" in capsys.readouterr().err


def test_what_is_below_the_level_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("error", "json")
    structlog.get_logger().warning("poll failed")
    logging.getLogger("aiohttp").warning("odd")

    assert capsys.readouterr().err == ""


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
