"""What goes over the wire, as plain values: a request, and the answer to it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """A request as it came: nothing of it is trusted or changed."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path as it was sent, still encoded."""
        return urlsplit(self.target).path

    @property
    def segments(self) -> list[str]:
        """The decoded parts of the path."""
        return [unquote(part) for part in self.path.split("/")[1:]]

    @property
    def query(self) -> dict[str, list[str]]:
        """The decoded query."""
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    def number(self, key: str, default: int) -> int:
        """Return a number of the query."""
        text = self.query.get(key, [""])[0]
        return int(text) if text.isdecimal() else default


@dataclass(frozen=True)
class Answer:
    """An answer before it is turned into bytes; the body is whatever JSON can say, or bytes as they are."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """Return the body as bytes."""
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body, ensure_ascii=False).encode()

    def saying(self, body: Any) -> "Answer":
        """Return this answer with another body."""
        return replace(self, body=body)

    def with_headers(self, **headers: str) -> "Answer":
        """Return this answer with more headers."""
        return replace(
            self, headers={**self.headers, **{key.replace("_", "-"): value for key, value in headers.items()}}
        )
