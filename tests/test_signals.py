"""What signals do before, during and after the event loop."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from exporter.signals import signalled

ROOT = Path(__file__).parents[1]
SWALLOWED = """\
import os, signal, sys
sys.argv[1:] = ["run"]
from exporter import __main__
signal.signal(signal.SIGTERM, __main__._stop)
class Swallows:
    def __del__(self):  # where every exception is printed and ignored
        os.kill(os.getpid(), signal.SIGTERM)
        sum(range(1000))
Swallows()
print("lived on")
"""


def test_a_daemon_that_starts_ends_at_a_signal_wherever_it_is_just_then() -> None:
    done = subprocess.run([sys.executable, "-c", SWALLOWED], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


async def test_after_the_loop_signals_do_what_they_did_before() -> None:
    seen: list[int] = []
    old = signal.signal(signal.SIGUSR1, lambda number, _: seen.append(number))
    try:
        with signalled(signal.SIGUSR1) as event:
            os.kill(os.getpid(), signal.SIGUSR1)
            await asyncio.wait_for(event.wait(), 20)
        assert seen == []
        os.kill(os.getpid(), signal.SIGUSR1)
        assert seen == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, old)
