"""A file of settings that is right, to make mistakes in."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from exporter.config import load
from exporter.model.errors import SettingsError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | bytes], Path]:
    """Write a settings file in the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(content: str | bytes) -> Path:
        path = Path("exporter.yaml")
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def mistakes(file: Callable[[str | bytes], Path]) -> Callable[..., list[str]]:
    """Load a file that is wrong and return the mistakes."""

    def told(content: str | bytes, environ: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            load(file(content), environ or {})
        return list(caught.value.mistakes)

    return told
