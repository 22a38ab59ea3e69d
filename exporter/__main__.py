"""``python -m exporter`` and the console command.

Importing the program takes most of a second. A signal that arrives during the import, before the event loop runs or
after it is closed, ends the program as cleanly as at any other time. Only built-in modules are imported before the
signal handlers are set.
"""

import _signal as signal  # type: ignore[import-not-found]  # what ``signal`` wraps: importing that takes milliseconds
import os
import sys
from types import FrameType

_DAEMONS = ("run", "demo")


def main() -> int:
    """Run the command line and return its exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    if _is_daemon():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the configuration is still to be read
    from exporter.cli import main as command

    code = command()
    if _is_daemon():
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # the interpreter would restore the default, and it ends now
    return code


def _is_daemon() -> bool:
    return bool(sys.argv[1:2]) and sys.argv[1] in _DAEMONS


def _stop(number: int, frame: FrameType | None) -> None:
    """Exit: a daemon that was asked to stop did well, any other command was interrupted before it was done.

    A daemon leaves at once: an exception could be raised anywhere, where it is handled, ignored or printed.
    """
    del number, frame
    if _is_daemon():
        os._exit(0)
    sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
