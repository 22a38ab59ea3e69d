"""The structure of the settings, from the models: the keys below a key."""

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from exporter.config.errors import Path
from exporter.config.settings import Settings


def _plain(annotation: Any) -> Any:
    """Return an annotation without its metadata and without ``None``."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _plain(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return _plain(next(part for part in get_args(annotation) if part is not types.NoneType))
    return annotation


def section(annotation: Any) -> type[BaseModel] | None:
    """Return the model of a table with fixed keys; ``None`` for anything else."""
    kind = _plain(annotation)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def named(annotation: Any) -> Any:
    """Return what each value of a table with free keys is; ``None`` for anything else."""
    kind = _plain(annotation)
    return get_args(kind)[1] if get_origin(kind) is Mapping else None


def listed(annotation: Any) -> bool:
    """Whether it is a list."""
    return get_origin(_plain(annotation)) is tuple


def below(annotation: Any, key: str) -> Any:
    """Return what is under *key*; ``None`` if nothing can be."""
    model = section(annotation)
    if model is not None:
        return model.model_fields[key].annotation if key in model.model_fields else None
    return named(annotation)


def at(path: Path, root: type[BaseModel] = Settings) -> Any:
    """Return what is at *path* below *root*; ``None`` if nothing can be."""
    annotation: Any = root
    for part in path:
        annotation = below(annotation, str(part))
    return annotation


def paths_of(key: str, annotation: Any, above: Path = ()) -> Iterator[Path]:
    """Yield where a table may have *key*, at any depth; a free key is ``<name>``."""
    model = section(annotation)
    for name, field in model.model_fields.items() if model else ():
        if name == key:
            yield (*above, name)
        yield from paths_of(key, field.annotation, (*above, name))
    if (inner := section(named(annotation))) is not None:
        yield from paths_of(key, inner, (*above, "<name>"))
