"""Copies of frozen values with other fields: what a poll does to a job's record, and most of what it costs here."""

from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import replace as replace  # for its checks of names and types
else:

    def replace(value: Any, /, **changes: Any) -> Any:
        """Return a copy of *value*, a dataclass with slots, with these fields changed.

        It is ``dataclasses.replace``, but a third of its time for a value of many fields: they are copied from slot to
        slot, and ``__init__`` does not run. Raises ``AttributeError`` for a field that does not exist, and for a value
        that has no slots; ``TypeError`` if it has a ``__post_init__``.
        """
        kind = type(value)
        read, writers = _slots(kind)
        copy = object.__new__(kind)
        for write, old in zip(writers, read(value), strict=True):
            write(copy, old)
        for name, new in changes.items():
            object.__setattr__(copy, name, new)
        return copy


@cache
def _slots(kind: type[Any]) -> "tuple[Callable[[Any], tuple[Any, ...]], list[Callable[[Any, Any], None]]]":
    """Return what reads all fields of a dataclass with slots, and what writes each past its being frozen."""
    if hasattr(kind, "__post_init__"):
        raise TypeError(f"{kind.__name__} has a __post_init__, which would not run")
    names = [each.name for each in fields(kind)]
    return attrgetter(*names), [getattr(kind, name).__set__ for name in names]
