"""The measurements say what they need."""

import shutil

import pytest

from benchmarks.upstream import upstream


def test_without_nginx_the_benchmarks_say_that_they_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SystemExit) as ended, upstream():
        pass
    assert "install it" in str(ended.value.code)
