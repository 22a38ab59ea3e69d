"""A simulator of its own for each test that runs the real command."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def cloud() -> Iterator[dict[str, Any]]:
    """Run the simulator and return what it announced."""
    command = [sys.executable, "-m", "exporter.simulator", "--until-eof"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.terminate()
