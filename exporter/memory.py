"""Memory that was needed once, and is not any more."""

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Give free memory back to the machine; some milliseconds.

    The C library keeps what many buffers took, for the next ones. That of glibc gives it back when asked; others do so
    by themselves, or not at all.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
