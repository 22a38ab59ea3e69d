"""Finds the vendor's error codes, such as ``DLI.0999``, in free text.

A service that calls another one quotes its codes, so the codes of all services are searched.
"""

import re
from functools import lru_cache
from typing import Final

from exporter.services import registry
from exporter.services.error_codes import GATEWAY_PREFIXES
from exporter.services.values import LONGEST_TEXT

OTHER: Final = "other"
"""The code of a failure that has none we know."""


def failure_code(text: str | None) -> str:
    """Return the first of the vendor's codes in *text*, else ``other``: the label ``code`` of a failed run."""
    return next(iter(codes_in(text or "")), OTHER)


def codes_in(text: str) -> tuple[str, ...]:
    """Return all of the vendor's codes that stand in a free text."""
    prefixes = {prefix for adapter in registry.load_services().values() for prefix in adapter.codes.prefixes}
    return tuple(_pattern(tuple(sorted({*GATEWAY_PREFIXES, *prefixes}))).findall(text[:LONGEST_TEXT]))


@lru_cache
def _pattern(prefixes: tuple[str, ...]) -> re.Pattern[str]:
    """Return the pattern of a code that stands alone: no part of the name of a table, a file or a host.

    The letters of Chinese may stand beside it, because they are written without spaces.
    """
    either = "|".join(map(re.escape, prefixes))
    before, after = r"(?<![A-Za-z0-9_.$@%/\\-])", r"(?![A-Za-z0-9_$@%/\\]|[.-][A-Za-z0-9_])"
    return re.compile(rf"{before}(?:{either})\.[0-9]{{3,6}}{after}")
