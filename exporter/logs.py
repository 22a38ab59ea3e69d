"""Logging: one event per line, as JSON or as text for a console.

The code that logs an event decides what it contains: names, reasons, codes and request ids, never a secret. Texts of
the vendor go through :func:`vendor_text`. Messages of libraries are masked, and exception messages are removed from
them, because they may quote a response.
"""

import logging
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, TextIO, cast

import structlog
from structlog.dev import BRIGHT, CYAN, DIM, RESET_ALL, Column, KeyValueColumnFormatter, LogLevelColumnFormatter
from structlog.typing import EventDict, Processor

from exporter.model.changes import Changes
from exporter.model.masking import VendorText, masked, repeated
from exporter.model.messages import printable
from exporter.model.units import duration_text

debugging = True
"""Whether lines of level ``debug`` are written: what each poll would log is not even put together otherwise."""
NAMED: Final = 10
"""Mistakes, jobs or files that one line names."""
_vendor_text = VendorText.OFF


def configure(level: str, form: str, vendor: VendorText = VendorText.OFF) -> None:
    """Set up logging to standard error for the whole process.

    *form* is ``json`` or ``console``; *vendor* is how much of the vendor's own text is logged.
    """
    global _vendor_text, debugging
    threshold = logging.getLevelNamesMapping()[level.upper()]
    _vendor_text, debugging = vendor, threshold <= logging.DEBUG
    processors: list[Processor] = [structlog.stdlib.add_log_level, _without_empty, _with_times]
    if form == "json":
        stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        processors += [stamp, structlog.processors.JSONRenderer(ensure_ascii=False)]
    else:
        stamp = structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%SZ", utc=True)
        processors += [stamp, _for_people, _console(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Lossy(sys.stderr))),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Libraries()], level=max(threshold, logging.WARNING), force=True)


def vendor_text(text: str) -> str:
    """Return of a text of the vendor's what the configuration allows to log, perhaps nothing."""
    return repeated(text, _vendor_text)


def first_mistakes(mistakes: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a line about a file that was refused: its first mistakes, and how many more there are."""
    return {"mistakes": list(mistakes[:NAMED]), "more": len(mistakes[NAMED:])}


def _without_empty(_: object, __: str, event: EventDict) -> EventDict:
    """Leave out what says nothing."""
    return {name: value for name, value in event.items() if value is not None and value != "" and value != []}


def _with_times(_: object, __: str, event: EventDict) -> EventDict:
    """Write Unix times as times."""
    for name, value in event.items():
        if name.endswith("_at") and isinstance(value, int | float):
            with suppress(ValueError, OverflowError, OSError):
                event[name] = f"{datetime.fromtimestamp(value, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return event


def _for_people(_: object, __: str, event: EventDict) -> EventDict:
    """Write durations with their unit, lists without brackets, and a job as one name."""
    if "job" in event and "service" in event:
        event["job"] = f"{event.pop('service')}/{event['job']}"
    for name in list(event):
        value = event[name]
        if name.endswith("_seconds") and isinstance(value, int | float):
            event[name.removesuffix("_seconds")] = duration_text(round(value)) if value >= 60 else f"{value:.3g}s"
            del event[name]
        elif isinstance(value, list):
            event[name] = ", ".join(map(str, value))
    return event


def _console(*, colors: bool) -> structlog.dev.ConsoleRenderer:
    """Return what writes a line for people: the time, the job it is about, what happened, and the rest."""
    bright, cyan, dim, reset = (BRIGHT, CYAN, DIM, RESET_ALL) if colors else ("", "", "", "")
    levels = structlog.dev.ConsoleRenderer.get_default_level_styles(colors)
    return structlog.dev.ConsoleRenderer(
        columns=[
            Column("", KeyValueColumnFormatter(cyan, "", reset, _quoted)),
            Column("timestamp", KeyValueColumnFormatter(None, dim, reset, str)),
            Column("level", LogLevelColumnFormatter(levels, reset)),
            Column("job", KeyValueColumnFormatter(None, bright, reset, _plain)),
            Column("event", KeyValueColumnFormatter(None, bright, reset, _plain)),
        ]
    )


def _plain(value: object) -> str:
    return printable(str(value))


def _quoted(value: object) -> str:
    text = _plain(value)
    return f'"{text}"' if " " in text else text


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
        structlog.get_logger().log(record.levelno, masked(record.getMessage().partition("\n")[0]), **said)


def job_numbers(changes: Changes) -> dict[str, int]:
    """Return how many jobs came, went and became different."""
    return {"added": len(changes.added), "removed": len(changes.removed), "changed": len(changes.changed)}


def job_names(changes: Changes) -> dict[str, list[str]]:
    """Return the names of the first jobs that came, went and became different, for the log."""
    return {
        "added_jobs": ["/".join(job.key) for job in changes.added[:NAMED]],
        "removed_jobs": ["/".join(key) for key in changes.removed[:NAMED]],
        "changed_jobs": ["/".join(job.key) for job in changes.changed[:NAMED]],
    }
