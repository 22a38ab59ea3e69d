"""gzip in sections: what did not change since the last scrape is not compressed again.

A gzip body is one deflate stream. A stream that is flushed fully at the end of each section can be put together from
sections that were compressed at different times; only the checksum over the whole has to be computed from theirs.
Source: RFC 1951, RFC 1952; the checksum's arithmetic is that of zlib's ``crc32_combine``, which Python does not offer.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LEVEL: Final = 4
"""Level 9 takes four times as long for a twentieth less of such text."""
HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
END: Final = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS).flush(zlib.Z_FINISH)
"""An empty last block."""
POLYNOMIAL: Final = 0xEDB88320

Section = Sequence[bytes]
"""A piece of a body in parts that never change."""


@dataclass(frozen=True, slots=True)
class _Squeezed:
    """A section, compressed: a run of whole deflate blocks."""

    section: Section
    content: bytes
    crc: int
    shift: int
    """What a checksum before this section is multiplied by: it stands for the section's length."""
    length: int


class Squeezer:
    """Compresses bodies of the same sections again and again."""

    def __init__(self) -> None:
        self._known: dict[int, _Squeezed] = {}

    def squeeze(self, sections: Sequence[Section]) -> list[bytes]:
        """Return the gzip body in parts; may run in a thread, but only one at a time."""
        crc, length, content = 0, 0, [HEADER]
        for number, section in enumerate(sections):
            known = self._known.get(number)
            if known is None or known.section != section:
                known = self._known[number] = _squeeze(section)
            crc = _times(known.shift, crc) ^ known.crc
            length += known.length
            content.append(known.content)
        trailer = crc.to_bytes(4, "little") + (length % 2**32).to_bytes(4, "little")
        return [*content, END, trailer]


def _squeeze(section: Section) -> _Squeezed:
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    content, crc, length = [], 0, 0
    for part in section:
        content.append(packer.compress(part))
        crc = zlib.crc32(part, crc)
        length += len(part)
    content.append(packer.flush(zlib.Z_FULL_FLUSH))
    return _Squeezed(section, b"".join(content), crc, _shift(length), length)


def _times(one: int, other: int) -> int:
    """Multiply two polynomials modulo the checksum's."""
    product, bit = 0, 1 << 31
    while bit:
        if one & bit:
            product ^= other
            if not one & (bit - 1):
                break
        bit >>= 1
        other = (other >> 1) ^ POLYNOMIAL if other & 1 else other >> 1
    return product


def _powers() -> list[int]:
    """Return x to the powers 1, 2, 4, 8, ... modulo the checksum's polynomial."""
    powers = [1 << 30]
    for _ in range(31):
        powers.append(_times(powers[-1], powers[-1]))
    return powers


POWERS: Final = _powers()


def _shift(length: int) -> int:
    """Return x to the power of eight times *length*: what moves a checksum ahead by so many bytes."""
    product, number, power = 1 << 31, length, 3
    while number:
        if number & 1:
            product = _times(POWERS[power % 32], product)
        number >>= 1
        power += 1
    return product
