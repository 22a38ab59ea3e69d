"""Numbers for error codes: many jobs fail with the same few codes, and a number needs less memory. Pure."""

from typing import Final

_CODE: Final = 40
"""Characters of a code that are kept."""
_CODES: Final = 4096
"""Different codes that are kept; after them all others are the empty one."""


class Codes:
    """The few words that many jobs share, by number."""

    def __init__(self, known: tuple[str, ...] = ("",)) -> None:
        self._words = list(known)
        self._numbers = {word: number for number, word in enumerate(known)}

    @property
    def words(self) -> tuple[str, ...]:
        """All of them, by number."""
        return tuple(self._words)

    def number(self, word: str | None) -> int:
        """Return the number of a word, which is new if there is room for it."""
        word = (word or "")[:_CODE]
        number = self._numbers.get(word)
        if number is None:
            if len(self._words) >= _CODES:
                return 0
            number = self._numbers[word] = len(self._words)
            self._words.append(word)
        return number

    def word(self, number: int) -> str:
        """Return a word by its number. Raises ``IndexError``."""
        return self._words[number]
