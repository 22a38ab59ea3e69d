"""The progress of the runs of a job, packed: some samples of the newest, a few points of those before. Pure."""

import math
import struct
from collections.abc import Iterator
from typing import Final

from exporter.model.run import RunId
from exporter.runs.packed_runs import run_key, run_keys, whole_seconds

SAMPLES_KEPT: Final = 64
FEW_SAMPLES: Final = 16
"""Samples that are kept where there is no room for more."""
_WHOLE: Final = 65_000
"""The number that stands for a progress of 1."""
_POINTS: Final = 8
_HEAD: Final = struct.Struct("<IIH")  # which run, time of the first sample, seconds that a unit of time has
_SAMPLE: Final = struct.Struct("<HH")
_CURVE: Final = struct.Struct(f"<f{2 * _POINTS}B")  # seconds from start to end, then the part of them and the progress
CURVE_SIZE: Final = _CURVE.size


def run_of(progress: bytes) -> int:
    """Return the number of the run that samples are of."""
    return int(_HEAD.unpack_from(progress)[0])


def with_sample(progress: bytes, run: RunId, at: float, ratio: float, *, same: bool) -> bytes:
    """Return samples with one more; those of another run are dropped, unless it is the *same* as before."""
    now = whole_seconds(at)
    value = math.floor(min(max(ratio, 0.0), 1.0) * _WHOLE + 1e-6)
    if not progress or not (same or run_of(progress) in run_keys(run)):
        return _HEAD.pack(run_key(run), now, 1) + _SAMPLE.pack(0, value)
    key, first, unit = _HEAD.unpack_from(progress)
    last, shown = _SAMPLE.unpack_from(progress, len(progress) - _SAMPLE.size)
    if shown == value:
        return progress
    now = max(now, first + last * unit)  # a clock that is set back turns no run round
    if sample_count(progress) >= SAMPLES_KEPT:
        progress = thinned(progress)
    while (now - first) // unit > 0xFFFF:
        unit *= 2
        samples = [_SAMPLE.pack(since // 2, each) for since, each in _samples(progress)]
        progress = _HEAD.pack(key, first, unit) + b"".join(samples)
    return progress + _SAMPLE.pack((now - first) // unit, value)


def sample_count(progress: bytes) -> int:
    """Return how many samples there are."""
    return max(0, len(progress) - _HEAD.size) // _SAMPLE.size


def thinned(progress: bytes) -> bytes:
    """Return every second sample, and the first and the last."""
    samples = list(_samples(progress))
    kept = [*samples[:-1:2], samples[-1]]
    return progress[: _HEAD.size] + b"".join(_SAMPLE.pack(*each) for each in kept)


def unpacked_progress(progress: bytes) -> tuple[tuple[float, float], ...]:
    """Return the samples. Raises ``ValueError`` if they are cut."""
    if not progress:
        return ()
    if len(progress) < _HEAD.size:
        raise ValueError("cut short")
    _, first, unit = _HEAD.unpack_from(progress)
    return tuple((float(first + since * unit), value / _WHOLE) for since, value in _samples(progress))


def curve(progress: bytes, start: float, took: float) -> bytes:
    """Return the samples of a run that succeeded, and that took so many seconds, as a few points."""
    samples = unpacked_progress(progress)
    last = len(samples) - 1
    points = [samples[last * number // (_POINTS - 1)] for number in range(_POINTS)]
    shares = [(min(max((at - start) / took, 0.0), 1.0), ratio) for at, ratio in points]
    return _CURVE.pack(took, *(int(255 * each) for share in shares for each in share))


def unpacked_curves(curves: bytes) -> Iterator[tuple[tuple[float, float], ...]]:
    """Yield the points of each curve: seconds since the start, and 0 to 1. Raises ``ValueError`` if they are cut."""
    if len(curves) % _CURVE.size:
        raise ValueError("cut short")
    for took, *packed in _CURVE.iter_unpack(curves):
        yield tuple((took * share / 255, ratio / 255) for share, ratio in zip(packed[::2], packed[1::2], strict=True))


def _samples(progress: bytes) -> Iterator[tuple[int, int]]:
    """Yield when a progress was said, and which. Raises ``ValueError`` if they are cut."""
    if (len(progress) - _HEAD.size) % _SAMPLE.size:
        raise ValueError("cut short")
    yield from _SAMPLE.iter_unpack(progress[_HEAD.size :])
