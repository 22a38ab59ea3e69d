"""A service's own error codes, such as ``DLI.0999``: their prefixes, and the meaning of some of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from exporter.model.reason import Reason

GATEWAY_PREFIXES: Final = ("APIG", "APIGW")
"""What the codes of the gateway begin with that stands before every service."""


@dataclass(frozen=True, slots=True)
class ErrorCodes:
    """The error codes of one service."""

    prefixes: tuple[str, ...] = ()
    """What they begin with, up to the dot, in each spelling that the service uses."""
    reasons: Mapping[str, Reason] = field(default_factory=dict)
    """Those that mean something else than the HTTP status beside them, in upper case."""
    meanings: Mapping[str, str] = field(default_factory=dict)
    """What the service's own documents say that they mean, by the code in upper case."""
    token: frozenset[str] = frozenset()
    """Those by which the service itself refuses a token that the gateway before it let pass, in upper case."""

    def include(self, code: str) -> bool:
        """Whether *code* is one of the service or of the gateway, by what it begins with."""
        prefix, dot, rest = code.partition(".")
        known = {each.upper() for each in (*GATEWAY_PREFIXES, *self.prefixes)}
        return bool(dot and rest) and prefix.isascii() and prefix.upper() in known
