"""The base class of all sections of the settings."""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, model_validator

WRITTEN: Final[ContextVar[Mapping[str, Any]]] = ContextVar("written", default=MappingProxyType({}))
"""The tree that the settings are made from."""
HOST_NAME: Final = ContextVar("host name", default="")
"""What ``shard: auto`` is read from."""


class Section(BaseModel):
    """A table of keys; a key without a value is not given."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    one_of: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Sets of keys of which exactly one must be given."""
    not_both: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Sets of keys of which at most one may be given."""

    @model_validator(mode="before")
    @classmethod
    def _given(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}
