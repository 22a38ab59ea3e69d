"""The reasons of failed polls."""

from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """The closed list of reasons a poll can fail for; label ``reason`` of ``poll_failures_total``."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    THROTTLED = "throttled"
    AUTH = "auth"
    PERMISSION = "permission"
    NOT_FOUND = "not_found"
    CONFIG = "config"
    API = "api"
    SERVER = "server"
    PAYLOAD = "payload"
    INTERNAL = "internal"


FUTILE: Final = frozenset({Reason.PERMISSION, Reason.NOT_FOUND, Reason.CONFIG, Reason.API})
"""Failures of a list that a repeated call soon afterwards does not mend."""
