"""Requests as they came, answers as they go, and the gateway's error bodies."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote_plus

REQUEST_ID: Final = "7f1c9a3e5b2d4c68a0e1f2b3c4d5e6f7"
"""The gateway's name for a request; the pretend one has one for all."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came: *path* and *query* still percent-encoded, header names in lower case.

    *names* are the decoded parts of the path that the route names (``project``, ``job``, ``cluster``).
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def job(self) -> str | None:
        """Return the job that the request names: in the path, or as ``jname`` of the submissions."""
        return self.names.get("job") or self.value("jname")

    def values(self, name: str) -> list[str]:
        """Return every value of a query parameter, decoded as a form is (a bare plus is a space)."""
        pairs = (part.partition("=") for part in self.query.split("&") if part)
        return [unquote_plus(value) for key, _, value in pairs if unquote_plus(key) == name]

    def value(self, *names: str) -> str | None:
        """Return the first value of the first of *names* that is there and not empty."""
        found = (value for name in names for value in self.values(name) if value)
        return next(found, None)

    def number(self, name: str, default: int, least: int, most: int) -> int | None:
        """Return a whole number from the query; None when it is no number or outside its range."""
        text = self.value(name)
        if text is None:
            return default
        if not text.isdecimal() or not least <= int(text) <= most:
            return None
        return int(text)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it goes."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(status: int, body: Mapping[str, Any] | Sequence[Any], **headers: str) -> Answer:
    """Write *body* as JSON; an underscore in a header's name stands for a dash."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(body, ensure_ascii=False).encode(), named)


def gateway_error(status: int, code: str, message: str, **headers: str) -> Answer:
    """Write an error of the API gateway (API Gateway developer guide, error codes)."""
    return answer(status, {"error_msg": message, "error_code": code, "request_id": REQUEST_ID}, **headers)


def service_error(status: int, code: str, message: str) -> Answer:
    """Write an error as DLI, and mostly DWS, write it."""
    return answer(status, {"error_code": code, "error_msg": message})


def external_error(status: int, code: str, message: str) -> Answer:
    """Write an error as CDM, and at times DWS, write it."""
    return answer(status, {"errCode": code, "externalMessage": message})


def no_such_api() -> Answer:
    """Write the gateway's answer to a path or method that no service has published."""
    message = "The API does not exist or has not been published in the environment"
    return gateway_error(404, "APIG.0101", message)


def throttled(limit: int, retry_after: int) -> Answer:
    """Write the gateway's refusal of a caller who asks too often; *retry_after* in seconds."""
    message = f"The throttling threshold has been reached: policy user over ratelimit,limit:{limit},time:1 minute"
    return gateway_error(429, "APIGW.0308", message, Retry_After=str(retry_after))
