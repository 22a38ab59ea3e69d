"""Files that a setting names: they must exist and be readable when the configuration is loaded.

No message repeats the path: if a secret was written by mistake where a file name belongs, it would be logged.
"""

import glob
import ssl
from pathlib import Path
from typing import Final

from exporter.config.tree import Text
from exporter.local_files import NotRegularError, read_regular

_LARGEST: Final = 1024 * 1024
"""Bytes of one file."""
SECRET_LIMIT: Final = 64 * 1024
"""Bytes; a secret is shorter, and a path mistyped to a device or a log must not be read whole."""


def path(text: str) -> Path:
    """Return the path, relative to the file that names it. Raises ``ValueError`` if it can be none."""
    if not text or "\0" in text:
        raise ValueError("expected the path of a file")
    return text.place.folder / text if isinstance(text, Text) else Path(text)


def pattern(text: str) -> str:
    """Return a pattern of files as an absolute one, relative to the file that names it. Raises ``ValueError``."""
    if not text or "\0" in text:
        raise ValueError("expected a pattern of files such as jobs.d/*.yaml")
    if Path(text).is_absolute():
        return str(text)
    folder = text.place.folder if isinstance(text, Text) else Path()
    return f"{glob.escape(str(folder.absolute()))}/{text}"


def secret(file: Path) -> Path:
    """Return *file* if it holds a secret. Raises ``ValueError`` with the remedy."""
    one_line(secret_text(read_file(file)).strip(), "the file must hold")
    return file


def secret_text(content: bytes) -> str:
    """Return the secret that a file holds, for whoever reads one. Raises ``ValueError`` with the remedy.

    A byte order mark before it and line breaks after it, as editors write them, are not part of it.
    """
    if len(content) > SECRET_LIMIT:
        raise ValueError(f"the file is larger than {SECRET_LIMIT >> 10} KiB; no secret is")
    try:
        text = content.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("the file must hold one line of printable ASCII characters") from None
    if not text.strip():
        raise ValueError("the file is empty; write the secret into it")
    return text


def one_line(content: str, subject: str) -> None:
    """Refuse a secret that no request header could carry."""
    if not (content.isascii() and content.isprintable()):
        raise ValueError(f"{subject} one line of printable ASCII characters")


def authorities(file: Path) -> Path:
    """Return *file* if it holds certificates. Raises ``ValueError`` with the remedy."""
    try:
        text = read_file(file).decode("ascii")
        ssl.create_default_context(cadata=text)
    except (UnicodeDecodeError, ssl.SSLError):
        raise ValueError("the file holds no certificates in PEM form; convert it to PEM") from None
    return file


def read_file(file: Path) -> bytes:
    """Return what the file holds. Raises ``ValueError`` with the remedy."""
    try:
        content = read_regular(file, _LARGEST + 1)
    except NotRegularError as error:
        raise ValueError(error.sentence) from None
    except FileNotFoundError:
        raise ValueError("there is no such file; mount it or correct the path") from None
    except PermissionError:
        raise ValueError("no permission to read the file; let the exporter's user read it") from None
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST:
        raise ValueError(f"the file is larger than {_LARGEST >> 20} MiB")
    if not content:
        raise ValueError("the file is empty; write into it what it is for")
    return content
