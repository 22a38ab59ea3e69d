"""gzip in sections: a section that did not change since the last scrape is not compressed again.

A gzip body is one deflate stream. If the stream is fully flushed at the end of each section, it can be assembled from
sections that were compressed at different times. The checksum is that of the whole body: it is known up to the first
section that changed and computed from there on, which costs a hundredth of the compression. Source: RFC 1951, RFC 1952.

Of a section only the hashes of its parts are kept: the parts themselves would be all lines of the last scrape, beside
those that polls have rendered since. Python computes the hash of a part once, with a key of the process.
"""

import zlib
from collections.abc import Sequence
from itertools import zip_longest
from typing import Final, NamedTuple

LEVEL: Final = 4
"""Level 9 takes four times as long for a twentieth less of such text."""
_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
END: Final = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS).flush(zlib.Z_FINISH)
"""An empty last block."""

_Section = Sequence[bytes]
"""A piece of a body in parts that never change."""


class _Known(NamedTuple):
    hashes: tuple[int, ...]
    """Of the parts."""
    compressed: bytes
    checksum: int
    """Of the body up to the end of this section."""
    length: int
    """Bytes of the body up to the end of this section, before compression."""


class Squeezer:
    """Compresses bodies of the same sections again and again."""

    def __init__(self) -> None:
        self._known: list[_Known] = []

    def squeeze(self, sections: Sequence[_Section]) -> list[bytes]:
        """Return the gzip body in parts; may run in a thread, but only one at a time."""
        known, self._known = self._known, []
        checksum, length, changed = 0, 0, False
        for section, before in zip_longest(sections, known[: len(sections)]):
            hashes = tuple(map(hash, section))
            if before is not None and before.hashes == hashes:
                compressed = before.compressed
            else:
                compressed, changed = _deflated(section), True
            if changed:
                for part in section:
                    checksum = zlib.crc32(part, checksum)
                    length += len(part)
            else:
                checksum, length = before.checksum, before.length
            self._known.append(_Known(hashes, compressed, checksum, length))
        trailer = checksum.to_bytes(4, "little") + (length % 2**32).to_bytes(4, "little")
        return [_HEADER, *(each.compressed for each in self._known), END, trailer]


def _deflated(section: _Section) -> bytes:
    """Compress a section to whole deflate blocks."""
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return b"".join([*map(compressor.compress, section), compressor.flush(zlib.Z_FULL_FLUSH)])
