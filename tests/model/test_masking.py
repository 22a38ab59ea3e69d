"""What may be secret or data is masked in the vendor's text; what an operator needs to find the fault stays."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model.errors import first_line
from exporter.model.masking import VendorText, masked, repeated, repeated_fields


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("password=hunter2 for user etl", "password=*** for user etl"),
        ('{"password": "hun ter2", "user": "etl"}', '{"password": ***, "user": "etl"}'),
        ("Password is hunter2", "Password is ***"),
        ("db.user.passwd: hunter2; host: db1", "db.user.passwd: ***; host: db1"),
        ("fs.obs.secret.key=abc/def+1", "fs.obs.secret.key=***"),
        ("accessKey=K1, secretKey=S1", "accessKey=***, secretKey=***"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("X-Auth-Token: MIIabc", "X-Auth-Token: ***"),
        ("ak=AAA sk=BBB", "ak=*** sk=***"),
        ("sqoop --password hunter2 --table t", "sqoop --password *** --table t"),
        ("connect jdbc:mysql://10.0.0.1:3306/db?user=a&password=b failed", "connect jdbc:*** failed"),
        ("postgresql://etl:pw@db1:5432/sales refused", "postgresql://*** refused"),
        ("https://user:pw@host/path is not there", "https://***@host/path is not there"),
        ("key HPUAAB3XKQZ1J7M2WXYZ is locked", "key *** is locked"),
        ("token eyJhbGciOi.eyJzdWIi.c2ln is over", "token *** is over"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE", "***"),
        ("bad sk Zm9vYmFyMTIzNDU2Nzg5MEFCQ0RFRkdISUpLTE1O", "bad sk ***"),
        ("no row with name = 'Müller' and iban = 'DE1", "no row with name = '***' and iban = '***'"),
        ("cannot cast 'O''Brien' to INT", "cannot cast '***' to INT"),
        (
            'select * from t where id = 4711 and name = "Smith" limit 10',
            'select * from t where id = *** and name = "***" limit ***',
        ),
        ("insert into t values (1, 2.5, -3e4, N'x')", "insert into t values (***, ***, ***, '***')"),
    ],
)
def test_what_may_be_secret_or_data_is_masked(text: str, expected: str) -> None:
    assert masked(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "DLI.0005: There is no such table db1.orders",
        "DWS.0114:ELB private IP is not configured.",
        "Job[jdbc2hive] doesn't exist, and the jobs' state isn't known",
        "job 85798b38-ae44-48eb-bb90-7cf0dcdafe7b of project 05f2cff45100d5112f4bc00b794ea08e failed",
        "cannot read obs://warehouse/year=2024/month=01/part-00000.parquet",
        "HTTP 500 after 30 s at 2024-01-01 10:00:00",
        "Connection refused: db1.example.com:5432",
        "user has no permission on resource databases.db1",
        "org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 1.0 failed 4 times",
    ],
)
def test_what_tells_of_the_fault_stays(text: str) -> None:
    assert masked(text) == text


FIELDS = {
    "message": "no user 'Smith'",
    "progress": 0.5,
    "sub_jobs": [{"id": 1, "name": "save at Job.scala:7", "description": "select card from people"}],
    "killed": {"password=a": 2, "password=b": 3},
}


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (VendorText.FULL, FIELDS),
        (
            VendorText.REDACTED,
            {
                "message": "no user '***'",
                "progress": 0.5,
                "sub_jobs": [{"id": 1, "name": "save at Job.scala:7"}],
                "killed": {"password=***": 2, "password=******": 3},
            },
        ),
        (
            VendorText.OFF,
            {"progress": 0.5, "sub_jobs": [{"id": 1}], "killed": {"password=***": 2, "password=******": 3}},
        ),
    ],
)
def test_a_statement_is_repeated_only_whole_and_a_number_always(how: VendorText, expected: dict[str, Any]) -> None:
    assert repeated_fields(FIELDS, how) == expected


@pytest.mark.parametrize("left", range(1, 42))
def test_a_key_that_was_cut_is_masked_too(left: int) -> None:
    key = "Zm9vYmFyMTIzNDU2Nzg5MEFCQ0RFRkdISUpLTE1O"
    text = first_line("no such key, ".rjust(300 - left, "a") + key)

    assert key[:3] not in repeated(text, VendorText.REDACTED)
    assert repeated(text, VendorText.FULL) == text


@given(st.text(max_size=300))
def test_any_text_can_be_masked_and_masking_twice_shows_no_more(text: str) -> None:
    once = masked(text)

    assert len(masked(once)) <= 3 * len(once) + 3


@pytest.mark.parametrize("piece", ["a", "'", '"', "password", "password=", "A1", "select ", "://", "- ", "\\"])
def test_no_text_takes_long(piece: str) -> None:
    began = time.process_time()
    masked(piece * 3000)

    assert time.process_time() - began < 2
