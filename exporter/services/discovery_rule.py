"""The rules of ``discovery``: the fields that all services have in common, and the types of their values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from exporter.model import units
from exporter.model.job import UNLABELLED
from exporter.model.messages import Expected, instead, quoted
from exporter.model.packed import Packed
from exporter.model.promises import NO_PROMISES, Promises
from exporter.services import name_template

PROJECT: Final = "project"
"""The word of a template that stands for our name of the project, in every service."""
_MOST_JOBS: Final = 500


def _pattern(value: Any) -> Any:
    if not isinstance(value, str):
        raise Expected("a regular expression", value)
    try:
        return re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        remedy = "; for any text write .*" if value.startswith("*") else ""
        raise ValueError(f"expected a regular expression, not {quoted(value)}: {error}{remedy}") from None


def _count(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,9}", value):
        raise Expected("a whole number", value)
    if int(value) < 1:
        raise ValueError(f"expected at least 1, not {int(value)}")
    return value


def _window(value: Any) -> Any:
    if not isinstance(value, str):
        raise Expected("a duration such as 30s or 5m", value)
    seconds = units.seconds(value)
    if seconds < 1:
        raise ValueError(f"expected at least 1s, not {units.duration_text(seconds)}")
    return seconds


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("expected text; this is empty")
    return text


def _tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    for key, value in tags.items():
        if not key or "=" in key or "," in key + value:
            raise ValueError(f"expected tags without commas, and keys without =, not {quoted(f'{key}={value}')}")
    return tags


def _clusters(value: Any) -> Any:
    if value == "all":
        return ()
    if isinstance(value, str):
        raise Expected("all, or a list of names or ids of clusters", value)
    return at_least_one(value)


def at_least_one(value: Any) -> Any:
    """Refuse a list without anything in it."""
    if value == []:
        raise ValueError("expected at least one; this list is empty")
    return value


def one_of(*words: str) -> AfterValidator:
    """Take one of the vendor's *words*, in any case."""

    def check(text: str) -> str:
        if text.upper() not in words:
            raise ValueError(f"unknown word {quoted(text)}{instead(text.upper(), words)}")
        return text.upper()

    return AfterValidator(check)


TextWord = Annotated[str, AfterValidator(_filled)]
_Pattern = Annotated[re.Pattern[str], BeforeValidator(_pattern)]
_Count = Annotated[int, BeforeValidator(_count)]
Seconds = Annotated[float, BeforeValidator(_window)]
Clusters = Annotated[tuple[TextWord, ...], BeforeValidator(_clusters)]
"""Names or ids of clusters; empty if all are meant."""
Tags = Annotated[Mapping[str, str], AfterValidator(_tags)]


@dataclass(frozen=True, slots=True)
class Search:
    """One entry of ``discovery``."""

    service: str
    project: str
    """Our name of the project."""
    rule: "Rule"
    interval: float | None = None
    """Seconds between two looks, if the operator gave this rule its own."""
    promises: Promises = NO_PROMISES
    """What the operator promises of each job that it finds."""
    labels: Mapping[str, str] = field(default_factory=lambda: UNLABELLED)
    """Templates of the labels of each job that it finds."""

    def labels_of(self, words: Mapping[str, str]) -> Mapping[str, str]:
        """Return the labels of a job with these *words*; one with a word that the job lacks is left out."""
        if not self.labels:
            return UNLABELLED
        texts = {name: name_template.filled(template, words) for name, template in self.labels.items()}
        return Packed({name: text for name, text in texts.items() if text})


class Rule(BaseModel):
    """What every service with lists can be asked for; a service adds fields of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    words: ClassVar[tuple[str, ...]]
    """What a name can be made of; ``tags.`` stands for every tag."""

    name: str | None = Field(
        default=None,
        description="Template of the jobs' names, such as {job_id}; the default is the service's own.",
    )
    match: _Pattern | None = Field(
        default=None, description="Only jobs whose name contains a match of this expression."
    )
    exclude: _Pattern | None = Field(
        default=None, description="No jobs whose name contains a match of this expression."
    )
    max_jobs: _Count = Field(default=_MOST_JOBS, description="At most this many jobs, the newest ones.")

    @field_validator("name")
    @classmethod
    def _known_words(cls, template: str | None) -> str | None:
        sentence = None if template is None else name_template.mistake(template, (*cls.words, PROJECT))
        if sentence:
            raise ValueError(sentence)
        return template

    def of_project(self, project: str) -> "Rule":
        """Return the rule with the word ``project`` of its name filled in."""
        name = self.name and self.name.replace(f"{{{PROJECT}}}", project)
        return self if name == self.name else self.model_copy(update={"name": name})

    @property
    def selects(self) -> bool:
        """Whether it asks for some of the jobs only."""
        fields = {name: field for name, field in type(self).model_fields.items() if name not in {"name", "max_jobs"}}
        return any(getattr(self, name) != each.get_default(call_default_factory=True) for name, each in fields.items())

    def wants(self, text: str) -> bool:
        """Whether ``match`` and ``exclude`` let *text* pass."""
        found = self.match is None or self.match.search(text) is not None
        return found and (self.exclude is None or self.exclude.search(text) is None)
