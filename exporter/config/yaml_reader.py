"""Reads YAML as text: no scalar becomes a number, a date or a switch, and every key and value keeps its line.

The parser's events are read directly instead of with PyYAML's composer, which recurses without limit, accepts duplicate
keys and turns ``0123`` into 83.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from exporter.config import yaml_problems
from exporter.config.errors import SourcePosition
from exporter.config.tree import DEEPEST, Items, MappingNode, Node, Text
from exporter.local_files import NotRegularError, read_regular

_LARGEST: Final = 64 * 1024 * 1024
"""Bytes of one file."""
_REPEATED: Final = 1_000_000
"""Values that the aliases of one file may repeat: enough for any list of jobs, too few for a bomb."""
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TAGS: Final = frozenset({None, "!"} | {f"tag:yaml.org,2002:{name}" for name in ("str", "map", "seq")})


class YamlError(ValueError):
    """The file cannot be read as a configuration; *line* is 0 if no single line is to blame."""

    def __init__(self, sentence: str, line: int = 0) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.line = line


def read_configuration(path: Path) -> tuple[MappingNode, list[YamlError]]:
    """Read a configuration file: its top table and the keys that stand twice in it.

    Raises :class:`YamlError` if it cannot be read at all.
    """
    root, doubled = parse_yaml(read_text(path), SourcePosition(str(path), folder=path.absolute().parent))
    if root is None:
        raise YamlError("the file is empty; config/minimal.yaml is a place to start")
    if not isinstance(root, MappingNode):
        raise YamlError('expected a mapping of settings at the top level, for example "poll:"', root.place.line)
    root.place = replace(root.place, line=0)
    return root, doubled


def read_text(path: Path) -> str:
    """Return the text of a file; raises :class:`YamlError` with the remedy if there is none to be had."""
    try:
        return decoded(configuration_bytes(path))
    except FileNotFoundError:
        raise YamlError("there is no such file; correct --config or EXPORTER_CONFIG") from None


def configuration_bytes(path: Path) -> bytes:
    """Return the bytes of a file; raises ``FileNotFoundError``, else :class:`YamlError` with the remedy."""
    try:
        data = read_regular(path, _LARGEST + 1)
    except FileNotFoundError:
        raise
    except NotRegularError as error:
        raise YamlError(error.sentence) from None
    except PermissionError:
        raise YamlError("no permission to read the file; let the exporter's user read it") from None
    except (OSError, ValueError) as error:
        raise YamlError(f"the file cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > _LARGEST:
        raise YamlError(f"the file is larger than {_LARGEST >> 20} MiB")
    return data


def decoded(data: bytes) -> str:
    """Return the text that a file holds; raises :class:`YamlError` if it is none."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise YamlError("the file is not UTF-8 text; save it as UTF-8", line) from None


def parse_yaml(text: str, place: SourcePosition) -> tuple[Node, list[YamlError]]:
    """Read one YAML document: its tree, and the keys that stand twice in one mapping."""
    try:
        loader = yaml_problems.LOADER(text)
        try:
            return _Reader(loader, place).document()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise YamlError(*yaml_problems.described(error, text)) from None


@dataclass(slots=True)
class _Built:
    node: Node
    size: int
    line: int


class _Reader:
    def __init__(self, loader: Any, place: SourcePosition) -> None:
        self._loader = loader
        self._place = place
        self._anchors: dict[str, _Built] = {}
        self._repeated = 0
        self._doubled: list[YamlError] = []

    def document(self) -> tuple[Node, list[YamlError]]:
        self._next()
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None, []
        root = self._node(self._next(), 0).node
        self._next()
        if not isinstance(event := self._next(), yaml.StreamEndEvent):
            raise YamlError("a second document starts here; one file holds one", _line(event))
        return root, self._doubled

    def _next(self) -> Any:
        return self._loader.get_event()

    def _node(self, event: Any, depth: int) -> _Built:
        line = _line(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), line)
        if event.tag not in _TAGS:
            raise YamlError('a YAML tag (a word after "!") means nothing here; put the text in quotes', line)
        if depth > DEEPEST:
            raise YamlError(f"nested more than {DEEPEST} levels deep", line)
        place = replace(self._place, line=line)
        if isinstance(event, yaml.ScalarEvent):
            missing = not event.style and event.implicit[0] and event.value in _NULLS
            built = _Built(None if missing else Text(event.value, place), 1, line)
        elif isinstance(event, yaml.SequenceStartEvent):
            built = self._items(place, depth)
        else:
            built = self._table(place, depth)
        if event.anchor:
            self._anchors[event.anchor] = built
        return built

    def _alias(self, anchor: str, line: int) -> _Built:
        # the anchor is known only when its node is complete, so no alias can hold itself
        built = self._anchors.get(anchor)
        if built is None:
            raise YamlError(
                'an alias (a word after "*") without its anchor; write &word where it is first used, or put text in'
                " quotes",
                line,
            )
        self._repeated += built.size
        if self._repeated > _REPEATED:
            raise YamlError(f"aliases repeat more than {_REPEATED} values", line)
        return built

    def _items(self, place: SourcePosition, depth: int) -> _Built:
        items = Items(place)
        size = 1
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            built = self._node(event, depth + 1)
            items.put(replace(place, line=_line(event)), built.node)
            size += built.size
        return _Built(items, size, place.line)

    def _table(self, place: SourcePosition, depth: int) -> _Built:
        table = MappingNode(place)
        merged: list[MappingNode] = []
        size = 1
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            at = replace(place, line=_line(event))
            key = self._key(event)
            built = self._node(self._next(), depth + 1)
            size += built.size
            if key in table.keys_at:
                first = table.keys_at[key].line
                self._doubled.append(YamlError(f'the key "{key}" stands twice, first in line {first}', at.line))
            elif key == "<<":
                merged.extend(_mergeable(built.node, at.line))
                table.keys_at[key] = at
            else:
                table.put(key, at, built.node)
        table.keys_at.pop("<<", None)
        for other in merged:
            for key, node in other.items():
                if key not in table:
                    table.put(key, other.keys_at[key], node)
        return _Built(table, size, place.line)

    def _key(self, event: Any) -> str:
        if isinstance(event, yaml.AliasEvent):
            node = self._alias(str(event.anchor), _line(event)).node
            if isinstance(node, Text):
                return str(node)
        elif isinstance(event, yaml.ScalarEvent):
            if event.anchor:
                self._anchors[event.anchor] = _Built(
                    Text(event.value, replace(self._place, line=_line(event))), 1, _line(event)
                )
            return str(event.value)
        raise YamlError("expected a word as the key; text in braces or brackets needs quotes", _line(event))


def _mergeable(node: Node, line: int) -> Iterator[MappingNode]:
    for table in node if isinstance(node, Items) else [node]:
        if not isinstance(table, MappingNode):
            raise YamlError('"<<" takes a mapping or a list of mappings', line)
        yield table


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
