"""Says what is wrong with text that is no YAML, to the operator who wrote it."""

import re
from contextlib import suppress
from typing import Any, Final

import yaml
from yaml.reader import Reader, ReaderError

_NO_COLON: Final = "could not find expected ':'"
_PROBLEMS: Final = {
    "unknown escape character": "a backslash that begins no escape; write it twice, or use single quotes",
    "expected escape sequence": "a backslash that begins no escape; write it twice, or use single quotes",
    "did not find expected hexdecimal": "an escape without its digits; in double quotes write a backslash twice",
    "unexpected end of stream": "a quoted text does not end; close its quote",
    "unexpected document indicator": "a quoted text does not end; close its quote",
    "mapping values are not allowed": "a key that is indented further than those above, or a second colon in one line;"
    " indent the keys of a mapping alike, and put text that holds a colon and a space in quotes",
    "did not find expected ',' or ']'": "a list in brackets does not end; close its ], or put commas between items",
    "did not find expected ',' or '}'": "a mapping in braces does not end; close its }, put commas between keys, and"
    " text with braces, such as ${NAME}, in quotes (no variable is filled in)",
    "did not find expected node content": "a list or mapping does not end; close its ] or }, or give the value",
    "cannot start any token": "a character that begins no text; put the text in quotes",
    _NO_COLON: "a key without a colon; write key: value, the colon followed by a space",
    "did not find expected key": "a line that does not fit those above; indent the keys of a mapping alike",
    "'-' indicator": "a line that does not fit the list above; begin each item with a dash and a space, indented alike",
    "block sequence entries are not allowed": "a list begins in the line of its key; put its dash into the next line",
    "block mapping": "a mapping begins in the line of another value; put it into the next line and indent it",
    "alphabetic or numeric character": "a name after & or * is missing; put text that begins so in quotes",
    "found undefined tag handle": 'a YAML tag (a word after "!") means nothing here; put the text in quotes',
}
"""What libyaml says, and what that is to who wrote the file. Nothing of the text is repeated: it may be a secret."""
_OTHERWISE: Final = "this line, or the one before it, cannot be read; check quotes, colons, brackets and indentation"
_GLUED: Final = re.compile(r"\s*(?:- )?[A-Za-z_][\w.-]*:[^\s/'\"]")
"""A line that begins with a key and its value without the space between them."""
_BESIDES: Final = re.compile(r"\"[^\"]*\"|'[^']*'|(?:^|\s)#.*")
"""What YAML does not look into: quoted text and comments."""
_ASSIGNED: Final = re.compile(r"\s*(?:- )?[A-Za-z_][\w.-]*\s*=")
_LOOKALIKES: Final = {
    "\uff1a": "a full-width colon",
    "\uff0c": "a full-width comma",
    "\u201c": "a curly quote",
    "\u201d": "a curly quote",
    "\u00a0": "a no-break space",
    "\u3000": "a full-width space",
}
"""What input methods and word processors write."""
# libyaml where the wheel brings it: a file of 100,000 jobs takes seconds instead of a minute
LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def described(error: yaml.YAMLError, text: str) -> tuple[str, int]:
    """Return what is wrong, with the remedy, and in which line; 0 if no single line is to blame."""
    if isinstance(error, ReaderError):
        found = Reader.NON_PRINTABLE.search(text)
        where = text.count("\n", 0, found.start()) + 1 if found else 0
        return "not valid YAML: a control character; write it as an escape in double quotes", where
    problem = str(getattr(error, "problem", ""))
    mark = getattr(error, "context_mark" if problem == _NO_COLON else "problem_mark", None)
    if mark is None:
        return f"not valid YAML: {_OTHERWISE}", 0
    # the end of the text counts as a line of its own
    line = min(mark.line, text.rstrip("\n").count("\n")) + 1
    sentence, line = _seen(text, mark, line) or (_meaning(problem, text, mark), line)
    return f"not valid YAML: {sentence}", line


def _seen(text: str, mark: Any, line: int) -> tuple[str, int] | None:
    """Find what is wrong in the line of the error, or in the one before it, which often is to blame."""
    if text[: mark.index + 1].rpartition("\n")[2].strip(" ").startswith("\t"):
        return "a tab where the line begins; indent by spaces", line
    if text[mark.index : mark.index + 1] == "\t":
        return "a tab; use spaces", line
    for number in (line, line - 1):
        row = _BESIDES.sub("", _row(text, number))
        if _GLUED.match(row):
            return "a colon without a space after it; write key: value", number
        if found := next((char for char in _LOOKALIKES if char in row), ""):
            return (
                f"{_LOOKALIKES[found]} where YAML knows the plain one only; replace it, or put the text in quotes",
                number,
            )
    if _ASSIGNED.match(_row(text, line - 1)):
        return "a key without a colon; write key: value", line - 1
    return None


def _meaning(problem: str, text: str, mark: Any) -> str:
    if (begun := _quote_over_lines(text, mark)) > 0:
        return f"a quoted text that begins in line {begun} goes on to here; close its quote in line {begun}"
    return next((said for words, said in _PROBLEMS.items() if words in problem), _OTHERWISE)


def _row(text: str, line: int) -> str:
    return text.split("\n", line)[line - 1] if line > 0 else ""


def _quote_over_lines(text: str, end: Any) -> int:
    """Return the line in which the quoted text begins that ends in the line of the mark *end*; 0 if it is that line."""
    begun = 0
    with suppress(yaml.YAMLError):
        for token in yaml.scan(text[: end.index], LOADER):
            if isinstance(token, yaml.ScalarToken) and token.style in {"'", '"'} and token.end_mark.line == end.line:
                begun = 0 if token.start_mark.line == end.line else token.start_mark.line + 1
    return begun
