"""The address that is announced is one that answers."""

from typing import Any

import pytest

from exporter.web.listener import url


@pytest.mark.parametrize(
    ("address", "announced"),
    [
        (("127.0.0.1", 10926), "http://127.0.0.1:10926"),
        (("0.0.0.0", 10926), "http://127.0.0.1:10926"),
        (("::", 10926, 0, 0), "http://[::1]:10926"),
        (("::1", 10926, 0, 0), "http://[::1]:10926"),
        (("fe80::1", 10926, 0, 1), "http://[fe80::1%25lo]:10926"),
    ],
)
def test_the_announced_address_answers(address: tuple[Any, ...], announced: str) -> None:
    """An IPv6 socket takes no IPv4 connections, so what stands for all of a machine is announced in its own family."""
    assert url(address) == announced
