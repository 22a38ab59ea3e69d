"""What a client's headers ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.negotiate import gzip_ok, openmetrics

OM = "application/openmetrics-text"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param("", False, id="nothing said"),
        pytest.param(
            f"{OM};version=1.0.0,{OM};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            True,
            id="Prometheus 2",
        ),
        pytest.param(
            f"{OM};version=1.0.0;escaping=allow-utf-8;q=0.6,{OM};version=0.0.1;q=0.5,"
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            True,
            id="Prometheus 3",
        ),
        pytest.param("text/plain;version=0.0.4", False, id="VictoriaMetrics"),
        pytest.param("text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", False, id="browser"),
        pytest.param("*/*", False, id="curl"),
        pytest.param("application/*", False, id="a wildcard does not ask for it"),
        pytest.param(OM, True, id="no version"),
        pytest.param(f"{OM}; version=0.0.1", True, id="the draft version"),
        pytest.param(f'{OM}; version="1.0.0"; charset=utf-8', True, id="a quoted version"),
        pytest.param(f"{OM};version=2.0.0", False, id="a version to come"),
        pytest.param(f"{OM.upper()};VERSION=1.0.0", True, id="names in capitals"),
        pytest.param(f"{OM};q=0.5,text/plain;q=0.5", True, id="a tie"),
        pytest.param(f"{OM};q=0.4,text/plain;q=0.5", False, id="text liked better"),
        pytest.param(f"{OM};q=0.4,text/*;q=0.5", False, id="a range of text liked better"),
        pytest.param(f"{OM};q=0.4,text/plain;q=0.1,*/*;q=1", True, id="the specific range counts"),
        pytest.param(f"{OM};q=0", False, id="refused"),
        pytest.param(f"{OM};q=0,*/*;q=1", False, id="refused beside a wildcard"),
        pytest.param(f"{OM};version=1.0.0;q=0,{OM};version=0.0.1", False, id="our version refused"),
        pytest.param(f"{OM};q=nan", False, id="a weight that is no number"),
        pytest.param(f"{OM};q=2", False, id="a weight out of range"),
        pytest.param(f"{OM};q=,text/plain", False, id="an empty weight"),
        pytest.param(f';;;=,,"{OM}', False, id="garbage"),
        pytest.param(f'text/plain;x="a,{OM}";q=0.2,{OM};q=0.1', False, id="a comma within quotes"),
    ],
)
def test_the_format_is_what_the_accept_header_likes_best(accept: str, expected: bool) -> None:
    assert openmetrics(accept) is expected


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        pytest.param("", False, id="nothing said"),
        pytest.param("gzip", True, id="Prometheus"),
        pytest.param("gzip, deflate, br, zstd", True, id="browser"),
        pytest.param("x-gzip", True, id="the old name"),
        pytest.param("GZIP;Q=1.0", True, id="capitals"),
        pytest.param("identity", False, id="identity"),
        pytest.param("deflate", False, id="another coding"),
        pytest.param("gzip;q=0", False, id="refused"),
        pytest.param("gzip;q=0.000, *", False, id="refused beside a wildcard"),
        pytest.param("*", True, id="wildcard"),
        pytest.param("*;q=0", False, id="wildcard refused"),
        pytest.param("identity;q=0.9, gzip;q=0.1", False, id="plain liked better"),
        pytest.param("identity;q=0.1, gzip;q=0.1", True, id="a tie"),
        pytest.param("gzip;q=yes", False, id="garbage"),
    ],
)
def test_gzip_is_used_where_it_is_allowed(accept_encoding: str, expected: bool) -> None:
    assert gzip_ok(accept_encoding) is expected


@pytest.mark.parametrize("header", ['"' * 4000, "," * 8000, ";=" * 4000, 'a;q="' + "\\" * 4000, "\x00\xff"])
def test_a_hostile_header_is_no_error(header: str) -> None:
    assert not openmetrics(header)
    assert not gzip_ok(header)


@given(st.text(alphabet=';,="\\q.01 */abgzip\t', max_size=60))
def test_any_header_has_a_meaning(header: str) -> None:
    assert openmetrics(header) in {True, False}
    assert gzip_ok(header) in {True, False}


@pytest.mark.parametrize("header", [";", ",", ";;,", "text/plain,;", ";q=1", '"', '";', "=;="])
def test_what_says_nothing_asks_for_plain_text(header: str) -> None:
    assert not openmetrics(header)
    assert not gzip_ok(header)
