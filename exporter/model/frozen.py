"""Copies frozen values with some fields changed, quickly: each poll makes at least one copy of the job's record."""

from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import replace as replace  # for its checks of names and types
else:

    def replace(value: Any, /, **changes: Any) -> Any:
        """Return a copy of *value*, a dataclass with slots, with these fields changed.

        It is ``dataclasses.replace``, but a quarter of its time for a value of many fields: they are copied from slot
        to slot, and ``__init__`` does not run. Raises ``AttributeError`` for a field that does not exist, and for a
        value that has no slots; ``TypeError`` if it has a ``__post_init__``.
        """
        copy = _copier(type(value))(value)
        for name, new in changes.items():
            object.__setattr__(copy, name, new)
        return copy


@cache
def _copier(kind: type[Any]) -> "Callable[[Any], Any]":
    """Return what copies a dataclass with slots: a line a field, as dataclasses itself writes ``__init__``."""
    if hasattr(kind, "__post_init__"):
        raise TypeError(f"{kind.__name__} has a __post_init__, which would not run")
    names = [each.name for each in fields(kind)]
    writers = {f"write_{name}": getattr(kind, name).__set__ for name in names}  # past its being frozen
    copied = [f" write_{name}(copy, value.{name})" for name in names]
    scope: dict[str, Any] = {"new": object.__new__, "kind": kind, **writers}
    exec("\n".join(["def copier(value):", " copy = new(kind)", *copied, " return copy"]), scope)  # noqa: S102 - see above
    copier: Callable[[Any], Any] = scope["copier"]
    return copier
