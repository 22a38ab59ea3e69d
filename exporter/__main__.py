"""``python -m exporter`` and the console command.

Importing the program takes most of a second. A signal that comes meanwhile, or before the event loop takes over, ends
it as cleanly as one that comes later.
"""

import signal
import sys
from types import FrameType

DAEMONS = ("run", "demo")


def main() -> int:
    """Run the command line and return its exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    if _is_daemon():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the configuration is still to be read
    from exporter.cli import main as command

    return command()


def _is_daemon() -> bool:
    return bool(sys.argv[1:2]) and sys.argv[1] in DAEMONS


def _stop(number: int, frame: FrameType | None) -> None:
    """Leave: a daemon that is told to stop did well, any other command did not do what it was asked for."""
    del number, frame
    sys.exit(0 if _is_daemon() else 1)


if __name__ == "__main__":
    sys.exit(main())
