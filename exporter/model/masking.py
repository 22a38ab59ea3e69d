"""Masks the vendor's texts before they are repeated: whatever looks like a secret or like data. Pure.

Masking depends on the form of a text, so it masks too much rather than too little: keys and tokens, the value after the
name of a password, connection strings, and SQL literals. Names of jobs and tables, ids, codes and paths stay.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, TypeAlias

from exporter.model.errors import TEXT_LIMIT


class VendorText(StrEnum):
    """How much of the vendor's own text is repeated."""

    OFF = "off"
    REDACTED = "redacted"
    FULL = "full"


_STATEMENTS: Final = frozenset({"description"})
"""Fields of an answer that hold a whole statement of SQL: its names and its structure are data, too."""

_MASK: Final = "***"
Step: TypeAlias = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]

_NAMES: Final = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|auth(?:orization)?|signature|session"
    r"|(?:access|secret|api|private|encryption|account)[ _.-]?key(?:[ _.-]?id)?|\bak|\bsk"
)
_VALUE: Final = r"\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|(?:Bearer|Basic)\s+[^\s,;\"']+|[^\s,;&\"')}\]]+"
_STEPS: Final[tuple[Step, ...]] = (
    (re.compile(r"-----BEGIN [A-Z ]*KEY.*", re.DOTALL), _MASK),
    (re.compile(r"\bjdbc:[^\s\"',)]+", re.IGNORECASE), f"jdbc:{_MASK}"),
    (
        re.compile(
            r"\b((?:mysql|mariadb|postgres(?:ql)?|gaussdb|mongodb|redis|amqps?|kafka|mssql)[\w+]*://)[^\s\"',)]+",
            re.IGNORECASE,
        ),
        rf"\g<1>{_MASK}",
    ),
    (re.compile(r"\b([a-z][a-z0-9+.-]{0,20}://)[^\s/@\"']*@", re.IGNORECASE), rf"\g<1>{_MASK}@"),
    (
        re.compile(rf"((?:{_NAMES})\w{{0,20}}[\"']?\s{{0,3}}(?:[=:]|=>|\bis\b)\s{{0,3}})({_VALUE})", re.IGNORECASE),
        rf"\g<1>{_MASK}",
    ),
    (re.compile(r"((?:^|\s)--?(?:password|passwd|secret|token)\s+)\S+", re.IGNORECASE), rf"\g<1>{_MASK}"),
    (re.compile(r"\b((?:Bearer|Basic)\s+)[\w.~+/=-]{8,}"), rf"\g<1>{_MASK}"),
    (re.compile(r"\beyJ[\w-]{5,}(?:\.[\w-]*){0,4}"), _MASK),
    (re.compile(r"\b(?=[A-Z]*[0-9])(?=[0-9]*[A-Z])[A-Z0-9]{16,}\b"), _MASK),  # an access key
    (re.compile(r"\b(?=\w*[0-9])(?=\w*[a-z])(?=\w*[A-Z])[\w+/=-]{32,}"), _MASK),  # a secret key or a token
    (re.compile(r"\b[0-9a-fA-F]{40,}\b"), _MASK),
    (re.compile(r"(?<!\w)[ENXBenxb]?'(?:[^'\\]|''|\\.)*(?:'|$)", re.DOTALL), f"'{_MASK}'"),
)
_SQL: Final = re.compile(
    r"\b(?:select|insert\s+into|update|delete\s+from|merge\s+into|where|values|having|between|limit)\b", re.IGNORECASE
)
_SQL_STEPS: Final[tuple[Step, ...]] = (
    (re.compile(r'"(?:[^"\\]|\\.)*(?:"|$)', re.DOTALL), f'"{_MASK}"'),
    (re.compile(r"(?<![\w.:/-])[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.:/-])"), _MASK),
)
_PLAIN: Final = re.compile(r"[0-9a-f :.+-]{0,39}|(?!eyJ)[\w.-]{0,15}")
"""Ids, times and words: too short for a key, and without a sign that something follows."""


@lru_cache(maxsize=1024)
def masked(text: str) -> str:
    """Return *text* with what looks like a secret, a connection string or a literal of SQL masked."""
    if _PLAIN.fullmatch(text):
        return text
    for pattern, mask in _STEPS + (_SQL_STEPS if _SQL.search(text) else ()):
        text = pattern.sub(mask, text)
    return text


def repeated(text: str, how: VendorText) -> str:
    """Return what may be repeated of a text of the vendor's, perhaps nothing.

    The last word of a text that was cut goes: the beginning of a key does not look like one.
    """
    if how is VendorText.REDACTED:
        return masked(text if len(text) != TEXT_LIMIT else f"{text.rpartition(' ')[0]} {_MASK}")
    return text if how is VendorText.FULL else ""


def repeated_fields(fields: Mapping[str, Any], how: VendorText) -> dict[str, Any]:
    """Return what may be repeated of the fields of an answer: numbers, flags and times whatever *how* says.

    A text of which nothing may be repeated is left out, and unless all may be, so are :data:`_STATEMENTS`.
    """
    masked_keys: dict[str, Any] = {}
    for name, value in fields.items():
        if how is not VendorText.FULL and name in _STATEMENTS:
            continue
        left = _repeated_value(value, how)
        if left == "" and value != "":
            continue
        key = name if how is VendorText.FULL else masked(name)
        while key in masked_keys:  # two names that differ in nothing but what is masked
            key += _MASK
        masked_keys[key] = left
    return masked_keys


def _repeated_value(value: Any, how: VendorText) -> Any:
    if isinstance(value, str):
        return repeated(value, how)
    if isinstance(value, Mapping):
        return repeated_fields(value, how)
    if isinstance(value, list | tuple):
        return [_repeated_value(each, how) for each in value]
    return value
