"""What every table of settings has in common."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator

from exporter.core import services
from exporter.core.adapter import Adapter

ADAPTERS: Final = "adapters"
"""Key of the validation context: the services by name."""
HOST_NAME: Final = "host_name"
"""Key of the validation context: what ``shard: auto`` is read from."""


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


def adapters(info: ValidationInfo) -> Mapping[str, Adapter]:
    """Return the services by name."""
    found: Mapping[str, Adapter] = (info.context or {}).get(ADAPTERS) or services.load()
    return found
