"""A simulator of its own for each test that runs the real command."""

import json
from collections.abc import Iterator
from subprocess import PIPE
from typing import Any

import pytest

from tests.e2e.processes import environment
from tests.fork_server import Forked


@pytest.fixture
def cloud() -> Iterator[dict[str, Any]]:
    """Run the simulator and return what it announced."""
    with Forked("-m", "exporter.simulator", "--until-eof", env=environment(), stdin=PIPE, stdout=PIPE) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.terminate()
