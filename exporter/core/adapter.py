"""What a service must provide. One module in ``services/`` with an ``ADAPTER`` is a whole service.

Settings validation takes the job's fields from :attr:`Adapter.entry`, the poller its calls and its reading from
:meth:`Adapter.request` and :meth:`Adapter.parse`, the endpoints module its hosts. Nothing else knows a service by
name, so a fourth one is one new file.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, ClassVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from exporter.core.model import Job, Reason, Snapshot, State

_PLAIN = re.compile(r"[A-Za-z0-9_.~-]+")  # as nearly every id is


class Entry(BaseModel, ABC):
    """The fields that only this service's jobs have, as the operator writes them: text that stays text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    @abstractmethod
    def default_name(self) -> str:
        """The value of the label ``job`` when the operator gave no ``name``."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call to make, relative to the service's endpoint."""

    operation: str
    """The vendor's name of the call, label ``operation``."""
    path: str
    """Percent-encoded, starts with a slash."""
    limit: str
    """The limit class whose budget it draws from."""
    query: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    body: bytes = field(default=b"", repr=False)
    """JSON, if there is any."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where a service is: a pattern per cloud with ``{region}`` in it, and the regions that do not follow it."""

    patterns: Mapping[str, str]
    exceptions: Mapping[str, str] = field(default_factory=dict)


class Adapter(ABC):
    """All that is known of one service: its words, its calls, its codes. Stateless and pure."""

    service: ClassVar[str]
    """The value of the label ``service``, and the name in the configuration."""
    entry: ClassVar[type[Entry]]
    hosts: ClassVar[Hosts]
    states: ClassVar[Mapping[str, State]]
    """The vendor's words, in upper case, and what each means."""
    codes: ClassVar[Mapping[str, Reason]]
    """The service's own error codes that mean something else than the HTTP status beside them."""
    limits: ClassVar[Mapping[str, float]]
    """Limit classes and the calls a second that each allows when the operator says nothing."""
    final: ClassVar[bool]
    """Whether a run that ended can never run again under the same registration."""
    forgets: ClassVar[bool] = False
    """Whether the service stops telling the counts of a run when the run ends."""

    @abstractmethod
    def request(self, job: Job, project_id: str) -> Request:
        """Return the call that tells the state of *job*."""

    @abstractmethod
    def parse(self, body: bytes, job: Job, zone: tzinfo | None) -> Snapshot:
        """Read a 200 answer.

        *zone* is how to read times that come without one; without it such times are absent. Raises
        :class:`~exporter.core.errors.PollError` if the answer is a failure in disguise or tells no state, and
        nothing else, whatever the bytes are.
        """


def segments(*parts: str) -> str:
    """Join path segments, each percent-encoded as the vendor's signature wants them."""
    return "/" + "/".join([part if _PLAIN.fullmatch(part) else quote(part, safe="~") for part in parts])


def known_word(word: str, table: Mapping[str, Any]) -> str:
    """Return the label value for a vendor's word: as written if it is in *table*, else ``other``."""
    return word if word.upper() in table else "other"
