"""The simulator as a process: its one line, its end, and the addresses it refuses."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE
from typing import IO
from urllib.request import Request, urlopen

import pytest

from exporter.simulator.__main__ import main
from tests.e2e.processes import environment
from tests.fork_server import Forked


@contextmanager
def started(*arguments: str) -> Iterator[tuple[Forked, IO[str], IO[str]]]:
    with Forked("-m", "exporter.simulator", *arguments, env=environment(), stdin=PIPE, stdout=PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process, process.stdin, process.stdout
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_announces_itself_in_one_line_serves_and_ends_on_a_signal(number: signal.Signals) -> None:
    with started("--seed", "5", "--speed", "10") as (process, _, output):
        said = json.loads(output.readline())
        job = next(each for each in said["jobs"] if each["service"] == "dli")
        path = f"{said['url']}/v1/{said['project_id']}/jobs/{job['job_id']}/progress"
        with urlopen(Request(path, headers={"X-Auth-Token": said["token"]}), timeout=5) as answer:
            assert json.load(answer)["job_id"] == job["job_id"]
        process.send_signal(number)
        assert process.wait(5) == 0
        assert output.read() == ""


def test_it_ends_when_its_standard_input_closes() -> None:
    with started("--until-eof") as (process, given, output):
        json.loads(output.readline())
        assert process.poll() is None
        given.close()
        assert process.wait(5) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--listen", "0.0.0.0:0"], id="every address"),
        pytest.param(["--listen", "192.0.2.1:0"], id="another address"),
        pytest.param(["--listen", "127.0.0.1:http"], id="no port"),
        pytest.param(["--listen", "example.com:80"], id="a name"),
        pytest.param(["--speed", "0"], id="a clock that stands"),
    ],
)
def test_it_refuses_what_it_cannot_do_in_a_sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err
