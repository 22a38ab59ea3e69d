"""The vendor's error codes, such as ``DLI.0999``: whose they are, and where they stand in free text."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from exporter.model.reason import Reason
from exporter.services.values import LONGEST_TEXT

OTHER: Final = "other"
"""The code of a failure that has none we know."""
PREFIXES: Final = ("DLI", "DWS", "Cdm", "CDM", "APIG", "APIGW")
"""What codes in free text begin with: one service names the codes of another, where it calls it."""


def failure_code(text: str | None, codes: Mapping[str, Reason]) -> str:
    """Return the first of the vendor's codes in *text*, else ``other``: the label ``code`` of a failed run.

    *codes* is the service's own table.
    """
    found = _pattern(_prefixes(tuple(codes))).search((text or "")[:LONGEST_TEXT])
    return found[0] if found else OTHER


def codes_in(text: str, codes: Mapping[str, Reason]) -> tuple[str, ...]:
    """Return all of the vendor's codes that stand in a free text."""
    return tuple(_pattern(_prefixes(tuple(codes))).findall(text[:LONGEST_TEXT]))


@lru_cache
def _prefixes(codes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*PREFIXES, *(code.partition(".")[0] for code in codes)}))


@lru_cache
def _pattern(prefixes: tuple[str, ...]) -> re.Pattern[str]:
    """Return the pattern of a code that stands alone: no part of the name of a table, a file or a host.

    The letters of Chinese may stand beside it, because they are written without spaces.
    """
    either = "|".join(map(re.escape, prefixes))
    before, after = r"(?<![A-Za-z0-9_.$@%/\\-])", r"(?![A-Za-z0-9_$@%/\\]|[.-][A-Za-z0-9_])"
    return re.compile(rf"{before}(?:{either})\.[0-9]{{3,6}}{after}")


def of_cloud(code: str, codes: Mapping[str, Reason]) -> bool:
    """Whether a code is one of the gateway or, by what it begins with, of the service whose table is *codes*."""
    prefix, dot, rest = code.partition(".")
    services = {known.partition(".")[0] for known in codes}
    return bool(dot and rest) and prefix.isascii() and prefix.upper() in {"APIG", "APIGW", *services}
