"""What a service declares about the numbers that it reads: one metric for all measures with one name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from exporter.model.snapshot import Measure


@dataclass(frozen=True, slots=True)
class MeasureFamily:
    """All measures of one name, which are shown as ``huaweicloud_job_<name>``."""

    name: str
    help: str
    """What the number is and where the vendor reports it, for HELP."""
    unit: str = ""
    """As it stands at the end of the name, empty if none does."""
    label: str = ""
    values: tuple[str, ...] = ("",)
    """The values of the label, in the order in which they are shown; empty if they are the vendor's words."""
    live: tuple[str, ...] = ()
    """Those of them that mean something only while a run lives: they go when it ends."""
    total: str = ""
    """What is added up over the runs that succeeded, for HELP; empty if nothing is."""

    def measures_alive(self) -> Iterable[Measure]:
        """Return the measures that mean something only while a run lives."""
        return (Measure(self.name, value) for value in self.live)


@dataclass(frozen=True, slots=True)
class Work:
    """Which measures tell how much of a run is done, for an estimate of its end."""

    planned: Measure
    done: Measure
    skipped: Measure | None = None
    """What is planned and will never be done; not said is none."""
    parts: str = ""
    """The name of the measures that count the parts of a run, if it plans its work part by part."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The names under which a snapshot's detail describes the parts of a run, such as sub-jobs.

    *field* is the list of parts, *left_out* and *current* stand beside it, and all from *id* on are keys of each part.
    """

    word: str
    """What the service calls a part."""
    field: str
    left_out: str
    """How many parts there are besides those in *field*."""
    current: str
    """Which part runs."""
    id: str
    name: str
    status: str
    began: str
    ended: str
    planned: str
    done: str
    failed: str


class Declared(NamedTuple):
    """What the services declare of their jobs, as far as metrics show it."""

    identity: tuple[str, ...]
    """The fields by which entries tell one job from another: labels of ``huaweicloud_job_info``."""
    measures: tuple[MeasureFamily, ...]
    """One of a name."""
    run_labels: tuple[str, ...]
    """What services report about a run that is a label of ``huaweicloud_job_run_labels``."""
    sources: Mapping[str, str]
    """From which fields the services read the metrics that all jobs have, by the metric's name."""


def united(declared: Iterable[MeasureFamily]) -> tuple[MeasureFamily, ...]:
    """Return one family of each name: its help says what it is in each of the services that have it.

    Raises ``ValueError`` if two of one name have another unit or label.
    """
    found: dict[str, MeasureFamily] = {}
    for new in declared:
        old = found.setdefault(new.name, new)
        if (old.unit, old.label) != (new.unit, new.label):
            raise ValueError(f"two services declare {new.name} with another unit or label")
        if old is not new:
            both = dict.fromkeys((*old.values, *new.values)) if old.values and new.values else ()
            found[new.name] = replace(
                old, help=_joined(old.help, new.help), values=tuple(both), total=_joined(old.total, new.total)
            )
    return tuple(found.values())


def _joined(*texts: str) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))
