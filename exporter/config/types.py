"""The types of settings: each parses text, and its error says what was expected."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, SecretStr

from exporter.config import files, urls
from exporter.model import units
from exporter.model.messages import Expected, nearest, quoted
from exporter.services.clouds import REGION
from exporter.services.request import FOLDERS

VARIABLE: Final = re.compile(r"\$\{\w+\}|\$[A-Z_][A-Z0-9_]*|\$\(\w+\)|\{\{.*\}\}")
"""Text that other programs put something in place of, as an operator may expect of us."""


@dataclass(frozen=True, slots=True)
class Written:
    """Metadata of a field: how a value of it is written in the configuration."""

    write: Callable[[Any], str]


def reading(what: str, parse: Callable[[str], Any]) -> BeforeValidator:
    """Read text by *parse*; a value that is no text any more is left as it is, a list or a mapping refused."""

    def read(value: Any) -> Any:
        if value is None or isinstance(value, dict | list):
            raise Expected(what, value)
        return parse(value) if isinstance(value, str) else value

    return BeforeValidator(read)


def _at_least(least: float, write: Callable[[Any], str] = str) -> AfterValidator:
    """Refuse a number below *least*; *write* is how the operator writes such a number."""

    def check(value: Any) -> Any:
        if value < least:
            raise ValueError(f"expected at least {write(least)}, not {write(value)}")
        return value

    return AfterValidator(check)


def _at_most(most: int) -> AfterValidator:
    """Refuse a number above *most*."""

    def check(value: int) -> int:
        if value > most:
            raise ValueError(f"expected at most {most}, not {value}")
        return value

    return AfterValidator(check)


def choice(words: type[StrEnum]) -> BeforeValidator:
    """Read one of the words of an enumeration."""
    what = f"one of {', '.join(words)}"

    def parse(text: str) -> StrEnum:
        if text not in list(words):
            raise Expected(what, text)
        return words(text)

    return reading(what, parse)


def _switch(text: str) -> bool:
    if text.lower() not in _SWITCH:
        raise Expected("true or false", text)
    return _SWITCH[text.lower()]


def _addresses(value: Any) -> Any:
    """Read one address, or a list of them."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not found:
        raise Expected("host:port, or a list of such addresses", value)
    for each in found:
        if not isinstance(each, str):
            raise Expected("a list of addresses such as 127.0.0.1:10926", each)
    return tuple(urls.listen(each) for each in found)


def whole(text: str) -> int:
    """Read a whole number. Raises ``ValueError``."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise Expected("a whole number", text)
    return int(text)


def _bound(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,3})?", text) or not float(text):
        raise Expected("a number of seconds above 0, such as 60", text)
    return float(text)


def _label(text: str) -> str:
    if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", text):
        raise Expected("a label name of letters, digits and underscores that starts with no digit", text)
    if text.startswith("__"):
        raise ValueError(f"{quoted(text)} starts with two underscores, which Prometheus keeps for itself")
    return str(text)


def _project_name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9_-]+", text) or "__" in text:
        raise ValueError(
            f"{quoted(text)} cannot name a project; "
            "expected small letters, digits, - and _, and no two _ beside each other"
        )
    return str(text)


def _region(text: str) -> str:
    if not REGION.fullmatch(text):
        raise Expected("a region such as cn-north-4", text)
    return str(text)


def opaque(text: str) -> str:
    """Return text as it is; only nothing is refused. Raises ``ValueError``."""
    if not text:
        raise ValueError("expected text; this is empty")
    return str(text)


def path_part(text: str) -> str:
    """Return text that becomes a part of a path as it is. Raises ``ValueError`` for what no path can say."""
    if text in FOLDERS:
        raise ValueError(f"expected a name that a URL can say; {quoted(text)} means a folder there")
    return opaque(text)


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        if text.isupper() or (not text.isalpha() and "/" not in text):
            wanted = "name a zone by a place, such as Asia/Shanghai, not by an offset or an abbreviation"
            raise ValueError(f"unknown time zone {quoted(text)}; {wanted}") from None
        near = nearest(text, available_timezones()) or "Asia/Shanghai"
        raise ValueError(f'unknown time zone {quoted(text)}; did you mean "{near}"?') from None


def _secret(text: str) -> SecretStr:
    files.one_line(opaque(text), "expected")
    if VARIABLE.fullmatch(text):
        raise ValueError("this looks like a variable, and none are put in; name a file, or set the key's own variable")
    return SecretStr(str(text))


_SWITCH: Final = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False}

_as_duration: Final = Written(units.duration_text)
_reads_duration: Final = reading("a duration such as 30s or 5m", units.seconds)

Duration = Annotated[float, _reads_duration, _as_duration]
Timeout = Annotated[float, _at_least(0.001, units.duration_text), _reads_duration, _as_duration]
Interval = Annotated[float, _at_least(1, units.duration_text), _reads_duration, _as_duration]
Rate = Annotated[float, reading("a rate such as 5/s or 120/m", units.rate), Written(lambda value: f"{value:g}/s")]
Bytes = Annotated[int, reading("a size such as 32MiB", units.size), Written(units.size_text)]
Switch = Annotated[bool, reading("true or false", _switch), Written(lambda value: str(value).lower())]
Count = Annotated[int, _at_least(1), reading("a whole number", whole)]
Few = Annotated[int, _at_most(1000), _at_least(1), reading("a whole number", whole)]
FewOrNone = Annotated[int, _at_most(100), _at_least(0), reading("a whole number", whole)]
Bound = Annotated[float, reading("a number of seconds", _bound), Written(lambda value: f"{value:g}")]
Label = Annotated[str, reading("a label name", _label)]
ProjectName = Annotated[str, reading("a project name", _project_name)]
Region = Annotated[str, reading("a region such as cn-north-4", _region)]
Opaque = Annotated[str, reading("text", opaque)]
AnyText = Annotated[str, reading("text", str)]
PathPart = Annotated[str, reading("text", path_part)]
Listen = Annotated[tuple[str, ...], BeforeValidator(_addresses), Written(", ".join)]
EndpointUrl = Annotated[str, reading("a URL", urls.endpoint_url)]
PushgatewayUrl = Annotated[str, reading("a URL", urls.pushgateway_url)]
OtlpUrl = Annotated[str, reading("a URL", urls.otlp_url)]
ExternalUrl = Annotated[str, reading("a URL", urls.external)]
HostName = Annotated[str, reading("a name", urls.host_name)]
ProxyUrl = Annotated[str, reading("a URL", urls.proxy)]
Zone = Annotated[ZoneInfo, reading("a time zone", _zone)]
Secret = Annotated[SecretStr, reading("text", _secret)]
Pattern = Annotated[str, reading("a pattern of files", files.pattern)]
File = Annotated[Path, reading("the path of a file", files.path)]
SecretFile = Annotated[File, AfterValidator(files.secret)]
AuthoritiesFile = Annotated[File, AfterValidator(files.authorities)]
