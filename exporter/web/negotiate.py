"""Content negotiation by the headers of a request (RFC 9110, section 12.5).

A malformed header never fails a scrape; it is treated as missing.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_ITEM: Final = re.compile(r'(?:[^,"]|"(?:\\.|[^"\\])*"?)+')
_PARAMETER: Final = re.compile(r'(?:[^;"]|"(?:\\.|[^"\\])*"?)+')
_QUALITY: Final = re.compile(r"0(\.\d*)?|\.\d+|1(\.0*)?", re.ASCII)
_OUR_OPENMETRICS: Final = re.compile(r"1(\.\d+){0,2}|0\.0\.1|", re.ASCII)
_SPECIFICITY: Final = ("text/plain", "text/*", "*/*")


class _Choice(NamedTuple):
    """One item of the header: a media range or a coding, its parameters, and how much it is liked (0 to 1)."""

    name: str
    parameters: dict[str, str]
    quality: float


def openmetrics(accept: str) -> bool:
    """Whether OpenMetrics 1.0 is what the ``Accept`` header likes best; a tie goes to OpenMetrics.

    A wildcard alone does not ask for it: browsers send one and read text.
    """
    choices = list(_choices(accept))
    ours = [
        (choice.parameters.get("version", ""), choice.quality)
        for choice in choices
        if choice.name == "application/openmetrics-text"
        and _OUR_OPENMETRICS.fullmatch(choice.parameters.get("version", ""))
    ]
    exact = [quality for version, quality in ours if version.startswith("1")]
    if not ours or (exact and max(exact) == 0):
        return False
    liked = max(quality for _, quality in ours)
    return liked > 0 and liked >= _text_quality(choices)


def gzip_ok(accept_encoding: str) -> bool:
    """Whether the ``Accept-Encoding`` header allows gzip and does not like the plain body better."""
    qualities: dict[str, float] = {}
    for choice in _choices(accept_encoding):
        name = "gzip" if choice.name == "x-gzip" else choice.name
        qualities[name] = max(choice.quality, qualities.get(name, 0))
    quality = qualities.get("gzip", qualities.get("*", 0))
    return quality > 0 and quality >= qualities.get("identity", 0)


def language(accept_language: str, known: Sequence[str]) -> str:
    """Return the one of the *known* languages that the header likes best, the first of them if it names none."""
    liked = {known[0]: 0.0}
    for choice in _choices(accept_language):
        name = choice.name.partition("-")[0]
        if name in known:
            liked[name] = max(choice.quality, liked.get(name, 0.0))
    return max(liked, key=lambda name: liked[name])


def _text_quality(choices: list[_Choice]) -> float:
    """Return how much the text format is liked: the most specific range that covers it decides."""
    for name in _SPECIFICITY:
        qualities = [
            choice.quality
            for choice in choices
            if choice.name == name and choice.parameters.get("version", "0.0.4") == "0.0.4"
        ]
        if qualities:
            return max(qualities)
    return 0


def _choices(header: str) -> Iterator[_Choice]:
    for item in _ITEM.findall(header):
        name, *rest = [part.strip() for part in _PARAMETER.findall(item)] or [""]  # of ";" there is no part
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}
        weight = parameters.get("q", "1")
        if name and _QUALITY.fullmatch(weight):
            yield _Choice(name.lower(), parameters, float(weight))
