"""A mapping that needs little memory if many mappings have the same keys: the keys are stored once for all of them."""

from collections.abc import Hashable, ItemsView, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeVar

K = TypeVar("K", bound=Hashable)
_V = TypeVar("_V")


class Packed(Mapping[K, _V]):
    """What *items* holds, frozen: a third of a dict's memory."""

    __slots__ = ("_places", "_values")

    def __init__(self, items: Mapping[K, _V]) -> None:
        self._places: dict[K, int] = _places(tuple(items))
        self._values = tuple(items.values())

    def __repr__(self) -> str:
        return f"Packed({dict(self)!r})"

    def __getitem__(self, key: K) -> _V:
        return self._values[self._places[key]]

    def get(self, key: K, default: Any = None) -> Any:
        """Return the value of a key, or *default*: without the exception that the inherited one meets on its way."""
        place = self._places.get(key)
        return default if place is None else self._values[place]

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[K]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._values)

    def items(self) -> ItemsView[K, _V]:
        """Return all pairs."""
        return dict(zip(self._places, self._values, strict=True)).items()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Packed) and self._places is other._places:
            return bool(self._values == other._values)
        return dict(self) == dict(other) if isinstance(other, Mapping) else NotImplemented

    __hash__ = None  # type: ignore[assignment]


@lru_cache(maxsize=1024)
def _places(keys: tuple[Any, ...]) -> dict[Any, int]:
    return {key: place for place, key in enumerate(keys)}
