"""The exceptions of the program.

::

    ExporterError
    ├── SettingsError      the configuration is refused; holds every mistake at once
    └── PollError          one poll failed for a known reason

Each has a sentence for the operator. The vendor's own text is a separate field and never part of the sentence, because
the sentence is logged, and the vendor's text may contain SQL, paths or names.
"""

from collections.abc import Sequence
from typing import Final

from exporter.model.reason import Reason

TEXT_LIMIT: Final = 300


def first_line(text: str) -> str:
    """Cut a vendor's text to what page and JSON may show: its first line with words, 300 characters of it."""
    lines = text.lstrip()[: 4 * TEXT_LIMIT].splitlines()
    return lines[0].strip()[:TEXT_LIMIT] if lines else ""


class ExporterError(Exception):
    """The root of all errors that the program raises on purpose."""


class SettingsError(ExporterError):
    """The configuration is refused; *mistakes* holds one printable line for each."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)


class PollError(ExporterError):
    """A poll that failed for a known reason."""

    def __init__(
        self,
        reason: Reason,
        sentence: str,
        *,
        code: str = "",
        text: str = "",
        request_id: str = "",
        retry_after: float | None = None,
        refused: bool = False,
        known: bool = False,
    ) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence
        self.code = code
        """The vendor's error code, empty if none came."""
        self.text = first_line(text)
        """The vendor's own words: page and JSON only."""
        self.request_id = request_id
        self.retry_after = retry_after
        """Seconds the server asks to wait, if it does."""
        self.refused = refused
        """Whether the cloud refused who asked, by this very call: it counts towards a lock."""
        self.known = known
        """Whether the service answered so that it must have known who asked."""
        self.asked = True
        """Whether the service itself was asked: not where a proof of the identity, or the project's id, was not to be
        had, so that the failure says nothing of the service and of its limit."""
        self.dropped = False
        """Whether the call went into an idle connection that may have been dead: one more call may well be answered."""

        self.cut = False
        """Whether the answer had too few of the rows of the time that was asked for: a shorter time may have all."""

    def retold(self) -> "PollError":
        """Return the same failure for one who made no call of its own."""
        copy = PollError(
            self.reason,
            self.sentence,
            code=self.code,
            text=self.text,
            request_id=self.request_id,
            retry_after=self.retry_after,
        )
        copy.asked = self.asked
        return copy
