"""The configuration as a tree before validation: text, lists and mappings that know their position.

They are subclasses of ``str``, ``list`` and ``dict``, so the models accept them directly.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from exporter.config.errors import Mistake, Path, SourcePosition

DEEPEST: Final = 32
"""Levels of nesting; the settings themselves have six."""
_STAND_IN: Final = "unreadable-{}"
"""What is checked in place of text that is no text; each a different one, so that no two seem to be the same."""


class Text(str):
    """A scalar, exactly as written."""

    __slots__ = ("place",)
    place: SourcePosition

    def __new__(cls, value: str, place: SourcePosition) -> "Text":
        """Attach a place to *value*."""
        text = super().__new__(cls, value)
        text.place = place
        return text


class Items(list["Node"]):
    """A list; *items_at* tells where each item is written."""

    def __init__(self, place: SourcePosition) -> None:
        super().__init__()
        self.place = place
        self.items_at: list[SourcePosition] = []

    def put(self, at: SourcePosition, node: "Node") -> None:
        """Add one item."""
        self.append(node)
        self.items_at.append(at)


class MappingNode(dict[str, "Node"]):
    """A mapping; *keys_at* tells where each key is written."""

    def __init__(self, place: SourcePosition) -> None:
        super().__init__()
        self.place = place
        self.keys_at: dict[str, SourcePosition] = {}

    def put(self, key: str, at: SourcePosition, node: "Node") -> None:
        """Set one entry."""
        self[key] = node
        self.keys_at[key] = at

    def table(self, key: str) -> "MappingNode":
        """Return the table under *key*; an empty one if there is none or it is something else."""
        node = self.get(key)
        return node if isinstance(node, MappingNode) else MappingNode(self.keys_at.get(key, self.place))


Node: TypeAlias = Text | Items | MappingNode | None
"""``None`` is a key that was written without a value: not given."""


def merge(over: MappingNode, under: MappingNode) -> MappingNode:
    """Lay *over* upon *under*: tables are joined key by key, anything else is replaced; what is not given yields."""
    merged = MappingNode(under.place if under else over.place)
    for key, node in under.items():
        merged.put(key, under.keys_at[key], node)
    for key, node in over.items():
        below = merged.get(key)
        if isinstance(node, MappingNode) and isinstance(below, MappingNode):
            merged.put(key, merged.keys_at[key], merge(node, below))
        elif node is not None or key not in merged:
            merged.put(key, over.keys_at[key], node)
    return merged


def nested(path: tuple[str, ...], node: Node, place: SourcePosition) -> MappingNode:
    """Return a table in which *node* is at *path*; the tables around it are there by the same line or variable."""
    for key in reversed(path):
        table = MappingNode(place)
        table.put(key, place, node)
        node = table
    return node if isinstance(node, MappingNode) else MappingNode(place)


def place_of(root: Items | MappingNode, path: Path, *, key: bool = False) -> SourcePosition:
    """Return where *path* is written; of a missing part, where it would belong.

    With *key* the place of the last key instead of its value.
    """
    node: Node = root
    place = root.place
    for number, part in enumerate(path, start=1):
        if isinstance(node, MappingNode) and isinstance(part, str) and part in node:
            place = node.keys_at[part]
            node = node[part]
        elif isinstance(node, Items) and isinstance(part, int) and part < len(node):
            place = node.items_at[part]
            node = node[part]
        else:
            return place
        if number == len(path) and isinstance(node, Text) and not key:
            place = node.place
    return place


def from_plain(value: Any, place: SourcePosition, depth: int = 0) -> Node:
    """Take over plain data; a number or a path counts as its text. Raises ``ValueError`` if it is too deep."""
    if value is None:
        return None
    if depth > DEEPEST:
        raise ValueError(f"nested more than {DEEPEST} levels deep")
    if isinstance(value, Mapping):
        table = MappingNode(place)
        for key, inner in value.items():
            table.put(str(key), place, from_plain(inner, place, depth + 1))
        return table
    if isinstance(value, list | tuple):
        items = Items(place)
        for inner in value:
            items.put(place, from_plain(inner, place, depth + 1))
        return items
    return Text(str(value).lower() if isinstance(value, bool) else str(value), place)


def without_halves(root: Items | MappingNode) -> list[Mistake]:
    """Take half surrogates out of *root* and tell of each: such text cannot be sent, logged or even validated."""
    mistakes: list[Mistake] = []
    todo: list[tuple[Path, Items | MappingNode]] = [((), root)]
    while todo:
        path, holder = todo.pop()
        inner: list[tuple[Any, Node]] = list(holder.items() if isinstance(holder, MappingNode) else enumerate(holder))
        for key, node in inner:
            if isinstance(node, Items | MappingNode):
                todo.append(((*path, key), node))
            if _is_text(str(key)) and (not isinstance(node, Text) or _is_text(node)):
                continue
            place = place_of(root, (*path, key))
            mistakes.append(Mistake(place, (*path, key), "expected text; this holds bytes that are not UTF-8"))
            if _is_text(str(key)):
                holder[key] = Text(_STAND_IN.format(len(mistakes)), place)
            else:
                del holder[key]
    return mistakes


def _is_text(value: str) -> bool:
    """Whether *value* can be written as UTF-8."""
    return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)
