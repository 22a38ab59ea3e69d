"""Logging: one event a line, JSON for machines or console for people.

What may stand in a line is decided where it is logged: names, reasons, codes and request ids, never a secret and
never the vendor's text. What libraries log of their own goes the same way, less what an exception says, because that
may quote an answer.
"""

import logging
import sys
import traceback
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog


def configure(level: str, form: str) -> None:
    """Set up logging to standard error for the whole process; *form* is ``json`` or ``console``."""
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True), renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Lossy(sys.stderr))),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Libraries()], level=max(threshold, logging.WARNING), force=True)


def places(error: BaseException) -> list[str]:
    """Return where an exception passed, without what it says."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


class _Lossy:
    """Writes where it can: a full disk, or a reader who went away, costs lines of the log and not the exporter."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        """Write, or not."""
        with suppress(OSError, ValueError):
            self._file.write(text)

    def flush(self) -> None:
        """Flush, or not."""
        with suppress(OSError, ValueError):
            self._file.flush()


class _Libraries(logging.Handler):
    """Sends what libraries log through structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the first line of the message, and of an exception its type and where it passed."""
        said: dict[str, Any] = {"logger": record.name}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            said |= {"exception": type(error).__name__, "traceback": places(error)}
        structlog.get_logger().log(record.levelno, record.getMessage().partition("\n")[0], **said)
