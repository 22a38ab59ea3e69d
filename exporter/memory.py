"""Returns memory that is no longer needed to the operating system."""

import ctypes
from contextlib import suppress
from typing import Final

_MMAP_THRESHOLD: Final = -3  # M_MMAP_THRESHOLD of malloc.h
_LARGE: Final = 256 * 1024
"""Bytes from which on a buffer is memory of its own."""


def free_large_at_once() -> None:
    """Have each large buffer be memory of its own, which goes back to the machine when the buffer is freed.

    The C library would take longer ones from the heap once one of them was freed, where they stay between others.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)


def give_back() -> None:
    """Give free memory back to the machine; some milliseconds.

    The C library keeps what many buffers took, for the next ones. That of glibc gives it back when asked; others do so
    by themselves, or not at all.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
