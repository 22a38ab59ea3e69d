"""Translates the texts of the page: each text is written in English where it is used.

``templates/chinese.txt`` has one text per line, in English and in Chinese.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

LANGUAGES: Final[Mapping[str, str]] = {"en": "EN", "zh": "中文"}
"""What the page calls the languages that it has; the first unless a reader wants another."""
_CHINESE: Final = (Path(__file__).parent / "templates" / "chinese.txt").read_text(encoding="utf-8")
CHINESE: Final[Mapping[str, str]] = dict(line.split(" = ", 1) for line in _CHINESE.splitlines())
_TABLES: Final[Mapping[str, Mapping[str, str]]] = {"en": {}, "zh": CHINESE}
SCRIPT: Final = (
    "d", "h", "min", "s", "now", "due", "{span} ago", "in {span}", "as of", "connection lost", "connected again",
    "connection lost, data from {time}", "This job is not registered any more.", "copied",
    "selected; copy it by Ctrl+C", "the browser allows no notifications",
)  # fmt: skip
"""What the script of the page says."""


class Texts:
    """The texts in one language; what is in no catalogue, such as a vendor's word, stays as it is."""

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self._table = _TABLES[lang]

    def __call__(self, text: str, /, **values: object) -> str:
        """Return *text* with *values* in their places."""
        said = self._table.get(text, text)
        return said.format(**values) if values else said

    def script(self) -> str:
        """Return what the script of the page says, as JSON."""
        return json.dumps({text: self(text) for text in SCRIPT if self._table}, ensure_ascii=False)


TEXTS: Final[Mapping[str, Texts]] = {lang: Texts(lang) for lang in LANGUAGES}
ENGLISH: Final = TEXTS["en"]
