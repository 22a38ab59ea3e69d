"""The signature is the vendor's own, byte for byte."""

import calendar
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer as VendorSigner
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.cloud.credentials import Call
from exporter.cloud.credentials.signing import Signer, canonical_path, canonical_query, key_name
from exporter.services.request import segments

VECTORS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("signing_vectors.json").read_text("utf-8"))
FORMAT = "%Y%m%dT%H%M%SZ"

nasty = st.sampled_from(
    ["同步", " ", "+", "%", "~", "*", "'", '"', "/", "%2F", "é", "😀", "a", "_", "-", ".", "&", "="]
)
words = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12), st.lists(nasty, max_size=6).map("".join)
)
paths = st.one_of(
    st.lists(words, min_size=1, max_size=5).map(lambda parts: segments(*parts)),
    st.lists(words, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(map(quote, parts))),
    st.text(st.sampled_from("/%2FfE4~*.a"), max_size=12).map(lambda text: "/" + text),
)
names = st.from_regex(r"X-[A-Za-z0-9_]{1,8}", fullmatch=True).filter(
    lambda name: name.lower() not in ("x-sdk-date", "x-sdk-content-sha256", "x-security-token")
)
values = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), max_size=20)
headers = st.dictionaries(names, values, max_size=4).filter(
    lambda found: len({name.lower() for name in found}) == len(found)
)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))
def test_the_published_vectors_come_out(vector: dict[str, Any]) -> None:
    given_headers = dict(vector["headers_in"])
    now = calendar.timegm(time.strptime(given_headers.pop("X-Sdk-Date"), FORMAT))
    token = given_headers.pop("X-Security-Token", "")
    query = tuple((key, str(value)) for key, value in vector["query"])
    call = Call(
        vector["method"], vector["host"], vector["resource_path"], now, query, vector["body"].encode(), given_headers
    )

    added = Signer(vector["ak"], vector["sk"], token).headers(call)

    text = canonical_query(query)
    assert vector["authorization"] == added["Authorization"]
    assert vector["request_uri"] == vector["resource_path"] + (f"?{text}" if text else "")


@given(
    method=st.sampled_from(["GET", "POST", "put", "DELETE"]),
    path=paths,
    query=st.lists(st.tuples(words, st.one_of(st.just(""), words)), max_size=5),
    extra=headers,
    body=st.binary(max_size=40),
    project=st.sampled_from(["", "0123456789abcdef"]),
    token=st.sampled_from(["", "security/token+=="]),
    secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80),
    now=st.integers(0, 4102444800),
)
@example("GET", "/a%2Fb/%E5%90%8C", [("k", "2"), ("k", ""), ("k", "1")], {}, b"", "p", "t", "s" * 65, 0)
def test_the_vendor_signs_the_same(
    method: str,
    path: str,
    query: list[tuple[str, str]],
    extra: dict[str, str],
    body: bytes,
    project: str,
    token: str,
    secret: str,
    now: int,
) -> None:
    if project:
        extra = {"X-Project-Id": project, **{k: v for k, v in extra.items() if k.lower() != "x-project-id"}}
    call = Call(method, "cdm.cn-north-4.myhuaweicloud.com", path, now, tuple(query), body, extra)

    ours = Signer("AK", secret, token).headers(call)

    theirs = SdkRequest(
        method=method,
        schema="https",
        host=call.host,
        resource_path=path,
        query_params=list(query),
        header_params={**extra, "X-Sdk-Date": time.strftime(FORMAT, time.gmtime(now))}
        | ({"X-Security-Token": token} if token else {}),
        body=body,
    )
    VendorSigner(BasicCredentials("AK", secret, "project")).sign(theirs)
    assert {name: theirs.header_params[name] for name in ours} == ours
    text = canonical_query(query)
    assert theirs.uri == path + (f"?{text}" if text else "")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/v1/jobs", "/v1/jobs/", id="a slash is added"),
        pytest.param("/v1/jobs/", "/v1/jobs/", id="one slash is enough"),
        pytest.param("/a+b", "/a%2Bb/", id="a plus is encoded"),
        pytest.param("/%e5%90%8c", "/%E5%90%8C/", id="hex becomes upper case"),
        pytest.param("/a%2Fb", "/a/b/", id="an encoded slash is signed plain"),
        pytest.param("/..", "/../", id="dots stay"),
    ],
)
def test_a_path_has_one_canonical_form(path: str, expected: str) -> None:
    assert expected == canonical_path(path)


def test_a_header_with_an_underscore_is_not_signed() -> None:
    added = Signer("AK", "SK").headers(Call("GET", "h", "/", 0, headers={"X_Odd": "1", "X-Even": "2"}))

    assert "SignedHeaders=host;x-even;x-sdk-date," in added["Authorization"]


def test_a_signer_does_not_show_its_secrets() -> None:
    assert repr(Signer("AK", "hidden-secret", "hidden-token")) == f"Signer({key_name('AK')!r})"


def test_the_name_of_a_key_tells_keys_apart_and_is_not_its_id() -> None:
    keys = ["HPUA2KRV6SK1WJ6936L0", "HPUA2KRV6SK1WJ6936L1", "HPUA2KRV6SK1", "AK", ""]
    names = [key_name(key) for key in keys]

    assert len(set(names)) == len(keys)
    assert names[0].startswith("HPUA...#")
    assert not any(
        key[at : at + 5] in name for key, name in zip(keys, names, strict=True) for at in range(len(key) - 4)
    )
    assert names[3].startswith("...#"), "of a short one nothing is shown"
