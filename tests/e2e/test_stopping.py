"""How the daemon stops, and what a last scrape still sees."""

import signal
import time
from pathlib import Path

import pytest

from tests.e2e.processes import ONE_JOB, eventually, exporter, fetch, serving


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Return the path of a configuration."""
    path = tmp_path / "exporter.yaml"
    path.write_text(ONE_JOB)
    return str(path)


def test_with_linger_it_serves_until_one_more_scrape_was_answered(config: str) -> None:
    with serving("run", "--config", config, EXPORTER_WEB__LINGER="30s") as (process, address):
        process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert process.poll() is None
        began = time.monotonic()
        status, body = fetch(f"{address}/metrics")

        assert status == 200
        assert b"huaweicloud_job_up{" in body
        assert process.wait(timeout=10) == 0
        assert time.monotonic() - began < 5


def test_with_linger_each_of_two_scrapers_sees_the_end(config: str) -> None:
    with serving("run", "--config", config, EXPORTER_WEB__LINGER="30s") as (process, address):
        for agent in ("one", "other"):
            fetch(f"{address}/metrics", User_Agent=agent)
        process.send_signal(signal.SIGTERM)
        time.sleep(1)
        fetch(f"{address}/metrics", User_Agent="one")
        fetch(f"{address}/metrics", User_Agent="one")
        time.sleep(0.5)
        assert process.poll() is None

        assert fetch(f"{address}/metrics", User_Agent="other")[0] == 200
        assert process.wait(timeout=10) == 0


def test_without_any_job_it_does_not_linger(tmp_path: Path) -> None:
    path = tmp_path / "exporter.yaml"
    path.write_text(ONE_JOB.partition("jobs:")[0] + "job_files: [none.yaml]\n")
    with serving("run", "--config", str(path), EXPORTER_WEB__LINGER="60s") as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def test_lingering_ends_though_no_scrape_comes(config: str) -> None:
    with serving("run", "--config", config, EXPORTER_WEB__LINGER="1s") as (process, _):
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=10) == 0
        assert 0.9 < time.monotonic() - began < 6


def test_a_hang_up_does_not_end_it(config: str) -> None:
    with serving("run", "--config", config) as (process, address):
        process.send_signal(signal.SIGHUP)
        time.sleep(0.5)

        assert eventually(lambda: fetch(f"{address}/-/healthy")[0] == 200, "healthy")
        assert process.poll() is None


def test_a_second_scraper_that_reads_slowly_holds_up_nobody(config: str) -> None:
    import socket

    with serving("run", "--config", config) as (_, address):
        host, _, port = address.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as slow:
            slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            began = time.monotonic()
            assert fetch(f"{address}/metrics")[0] == 200
            assert time.monotonic() - began < 2


def test_the_journal_is_written_a_last_time_and_let_go(config: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    for _ in range(2):
        path.unlink(missing_ok=True)
        with serving("run", "--config", config, EXPORTER_JOURNAL=str(path)) as (process, address):
            assert b"journal_errors_total 0.0" in fetch(f"{address}/metrics")[1]
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 0

        assert '"job":"orders"' in path.read_text()
    assert {each.name for each in tmp_path.glob("journal*")} == {
        "journal.json",
        "journal.json.history",
        "journal.json.lock",
    }


def test_a_second_exporter_with_the_same_journal_ends(config: str, tmp_path: Path) -> None:
    variables = {"EXPORTER_JOURNAL": str(tmp_path / "journal.json"), "EXPORTER_WEB__LISTEN_ADDRESS": "127.0.0.1:0"}
    with serving("run", "--config", config, EXPORTER_JOURNAL=variables["EXPORTER_JOURNAL"]):
        other = exporter("run", "--config", config, **variables)

    assert other.returncode == 1
    assert "another process uses the journal" in other.stderr
    assert "Traceback" not in other.stderr


def test_a_log_that_nobody_reads_any_more_ends_nothing(config: str, tmp_path: Path) -> None:
    with serving("run", "--config", config, EXPORTER_JOB_FILES=str(tmp_path / "*.jsonl")) as (process, address):
        assert process.stderr is not None
        process.stderr.close()
        (tmp_path / "more.jsonl").write_text('{"service": "dli", "job_id": "j2", "name": "more"}\n')

        assert eventually(lambda: b'job="more"' in fetch(f"{address}/metrics")[1], "the job that the log would tell of")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
        process.stderr = None
