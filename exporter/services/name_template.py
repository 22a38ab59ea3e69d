"""Names and labels of found jobs: a template such as ``{cluster_name}/{job_name}``, filled with the words of a job."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from exporter.model.messages import instead, quoted
from exporter.services.values import clean

_LONGEST: Final = 400
"""Characters; a CDM cluster's and a job's name together have fewer."""
_WORD: Final = re.compile(r"\{([^{}]*)\}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def mistake(template: str, known: Iterable[str], what: str = "name") -> str | None:
    """Return what is wrong with *template*, which is that of a *what*, ``None`` if nothing is.

    *known* are the words that it may use; one that ends with a dot, such as ``tags.``, stands for all that begin so.
    """
    words = tuple(known)
    if not template.strip():
        return "expected text; this is empty"
    if {"{", "}"} & set(_WORD.sub("", template)):
        return f"expected each {{ to have its }} and a word between them, not {quoted(template)}"
    for word in _WORD.findall(template):
        if not any(word.startswith(each) and word != each if each.endswith(".") else word == each for each in words):
            names = [f"{each}<key>" if each.endswith(".") else each for each in words]
            return f"unknown word {quoted(word)} in the {what}{instead(word, names)}"
    return None


def filled(template: str, words: Mapping[str, str]) -> str:
    """Return *template* with its words filled in, fit for a label; empty if any word is missing or nothing is left."""
    if any(word not in words for word in _WORD.findall(template)):
        return ""
    return clean(_CONTROL.sub("\ufffd", _WORD.sub(lambda found: words[found[1]], template)))[:_LONGEST].rstrip()
