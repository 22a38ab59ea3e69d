"""Every failure is classed by the vendor's code first and by the status where the code says nothing."""

import base64
import json
from collections.abc import Callable

import pytest

from exporter.model.errors import PollError
from exporter.model.reason import Reason
from exporter.services import error_classes
from exporter.services.error_codes import ErrorCodes
from exporter.services.registry import load_services

ADAPTERS = load_services()


def refused(service: str, status: int, body: bytes) -> PollError:
    return error_classes.refusal(status, error_classes.envelope(body), ADAPTERS[service].codes)


@pytest.mark.parametrize(
    ("name", "status", "reason", "code"),
    [
        ("dli/error_queue_busy.json", 400, Reason.SERVER, "DLI.0999"),
        ("dli/error_not_found_404.json", 404, Reason.NOT_FOUND, "DLI.0023"),
        ("dli/error_auth_401.json", 401, Reason.AUTH, "DLI.0013"),
        ("dli/error_apig_token_401.json", 401, Reason.AUTH, "APIGW.0307"),
        ("dli/error_apig_signature_expired_401.json", 401, Reason.AUTH, "APIGW.0301"),
        ("dli/error_apig_throttled_429.json", 429, Reason.THROTTLED, "APIGW.0308"),
        ("dli/error_apig_backend_timeout_504.json", 504, Reason.SERVER, "APIG.0201"),
        ("dws/error_invalid_uuid_400.json", 400, Reason.CONFIG, "DWS.5064"),
        ("dws/error_tenant_400.json", 400, Reason.PERMISSION, "DWS.5045"),
        ("dws/error_not_found_404.json", 404, Reason.NOT_FOUND, "DWS.3027"),
        ("dws/error_errcode_500.json", 500, Reason.SERVER, "DWS.0005"),
        ("dws/error_503.json", 503, Reason.SERVER, "DWS.5000"),
        ("dws/error_apig_throttled_429.json", 429, Reason.THROTTLED, "APIG.0308"),
        ("dws/error_apig_iam_403.json", 403, Reason.PERMISSION, "APIGW.0302"),
        ("dws/error_policy_403.json", 403, Reason.PERMISSION, "DWS.EXAMPLE403"),
        ("dws/error_nested_401.json", 401, Reason.AUTH, "401"),
        ("cdm/error_not_found_400.json", 400, Reason.NOT_FOUND, "Cdm.0100"),
        ("cdm/error_not_found_0054.json", 400, Reason.NOT_FOUND, "Cdm.0054"),
        ("cdm/error_system_400.json", 400, Reason.SERVER, "Cdm.0000"),
        ("cdm/error_cluster_invalid_400.json", 400, Reason.NOT_FOUND, "Cdm.0001"),
        ("cdm/error_apig_throttled_429.json", 429, Reason.THROTTLED, "APIGW.0308"),
        ("cdm/error_apig_aksk_401.json", 401, Reason.AUTH, "APIGW.0301"),
        ("cdm/error_empty_body_500.txt", 500, Reason.SERVER, ""),
    ],
)
def test_a_sample_error_has_its_reason(
    name: str, status: int, reason: Reason, code: str, payload: Callable[[str], bytes]
) -> None:
    error = refused(name.split("/")[0], status, payload(name))

    assert (error.reason, error.code) == (reason, code)


@pytest.mark.parametrize(
    ("service", "status", "body", "reason"),
    [
        ("dws", 401, {"errCode": "DWS.0047", "externalMessage": "no cluster"}, Reason.NOT_FOUND),
        ("dws", 403, {"error_code": "DWS.0015", "error_msg": "no cluster"}, Reason.NOT_FOUND),
        ("cdm", 500, {"errCode": "Cdm.0100"}, Reason.NOT_FOUND),
        ("cdm", 400, {"code": "Cdm.0095", "errCode": "Cdm.00095"}, Reason.NOT_FOUND),
        ("cdm", 400, {"errCode": "CDM.0032"}, Reason.PERMISSION),
        ("dli", 400, {"error_code": "DLI.0015"}, Reason.AUTH),
        ("dli", 408, {"error_code": "DLI.0019"}, Reason.SERVER),
        ("dli", 404, {"error_code": "APIG.0101"}, Reason.CONFIG),
        ("dli", 413, {"error_code": "APIGW.0201"}, Reason.SERVER),
        ("dli", 404, {"error_code": "APIG.0999"}, Reason.NOT_FOUND),
        ("dli", 404, {"error_code": "DLI.4711"}, Reason.NOT_FOUND),
        ("dli", 404, {"code": 404, "message": "page not found"}, Reason.API),
        ("dli", 404, {"code": "NoSuchKey"}, Reason.API),
        ("dli", 404, {"code": "NGINX.0001"}, Reason.API),
        ("dws", 202, {"error_code": "DWS.3027"}, Reason.NOT_FOUND),
        ("dws", 202, {"error_code": "DWS.4711"}, Reason.PAYLOAD),
        ("dli", 400, {"error_msg": "Too many requests, wait up to one minute"}, Reason.THROTTLED),
        ("dli", 400, {"error": {"error": {"errorCode": "APIGW.0302", "errorMsg": "no"}}}, Reason.PERMISSION),
        ("dli", 400, {"error_code": True}, Reason.API),
        ("dli", 400, [], Reason.API),
    ],
)
def test_the_code_counts_before_the_status(service: str, status: int, body: object, reason: Reason) -> None:
    assert refused(service, status, json.dumps(body).encode()).reason is reason


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (202, Reason.PAYLOAD), (204, Reason.PAYLOAD), (206, Reason.PAYLOAD), (301, Reason.CONFIG),
        (304, Reason.PAYLOAD), (400, Reason.API), (401, Reason.AUTH), (403, Reason.PERMISSION), (404, Reason.API),
        (405, Reason.API), (407, Reason.CONFIG), (429, Reason.THROTTLED), (500, Reason.SERVER), (502, Reason.SERVER),
        (503, Reason.SERVER), (504, Reason.SERVER),
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", [b"", b"<html><title>502 Bad Gateway</title>", b"\xff\xfe", b"null", b"{}"])
def test_the_status_counts_where_no_code_speaks(status: int, reason: Reason, body: bytes) -> None:
    assert refused("dli", status, body).reason is reason


def test_a_body_in_base64_is_read(payload: Callable[[str], bytes]) -> None:
    body = base64.urlsafe_b64encode(payload("dws/error_not_found_404.json"))

    for encoded in (body, body.rstrip(b"="), base64.b64encode(payload("dws/error_not_found_404.json")) + b"\n"):
        assert refused("dws", 400, encoded).code == "DWS.3027"


def test_page_text_is_the_first_line_and_no_longer_than_300_characters() -> None:
    assert refused("dli", 502, b"<html><head><title>502 Bad\nGateway</title>").text == "502 Bad"
    assert refused("dli", 400, json.dumps({"error_msg": "\n first\nselect * from t"}).encode()).text == "first"
    assert len(refused("dli", 400, json.dumps({"error_msg": "x" * 999}).encode()).text) == 300


def test_the_sentence_for_the_log_quotes_nothing_of_the_vendors_text() -> None:
    body = {"error_code": "select secret from t", "error_msg": "hunter2", "request_id": "a b\nc"}

    error = refused("dli", 400, json.dumps(body).encode())

    assert "secret" not in str(error) + error.code
    assert "hunter2" not in str(error)
    assert error.request_id == ""


def test_the_request_id_comes_from_the_body_else_from_the_header(payload: Callable[[str], bytes]) -> None:
    found = error_classes.envelope(payload("dli/error_apig_token_401.json"))

    def known(answer: error_classes.Envelope) -> str:
        return error_classes.refusal(401, answer, ErrorCodes(), request_id="head").request_id

    assert known(found) == "7f1c9a3e5b2d4c68a0e1f2b3c4d5e6f7"
    assert known(error_classes.Envelope()) == "head"


def test_every_reason_of_every_table_has_its_sentence() -> None:
    reasons = {*error_classes.GATEWAY.values(), *error_classes.STATUSES.values()}
    for adapter in ADAPTERS.values():
        reasons |= set(adapter.codes.reasons.values())

    assert reasons <= set(error_classes.SENTENCES)


@pytest.mark.parametrize(("code", "job"), [("APIGW.0310", False), ("APIG.0101", False), ("DWS.5064", True)])
def test_a_code_of_the_gateway_which_knows_no_job_sends_nobody_to_its_ids(code: str, job: bool) -> None:
    error = refused("dws", 400, json.dumps({"error_code": code, "error_msg": "x"}).encode())

    assert error.reason is Reason.CONFIG
    assert "check project_id, region and endpoints of the project" in error.sentence
    assert ("ids of the job" in error.sentence) is job


@pytest.mark.parametrize("body", [b"", b"<html><title>404 Not Found</title>", b"page not found", b'{"detail": "no"}'])
def test_that_a_job_is_gone_is_believed_of_the_cloud_alone(body: bytes) -> None:
    error = refused("cdm", 404, body)

    assert (error.reason, error.code) == (Reason.API, "")
    assert "not the cloud's answer" in error.sentence


@pytest.mark.parametrize("status", [401, 403, 429, 502])
def test_who_answered_without_a_code_of_the_clouds_proves_nothing(status: int) -> None:
    error = refused("dli", status, b"<html>")

    assert "so a proxy may have given it" in error.sentence
    assert not error.known
    assert refused("dli", 403, b'{"error_code": "DLI.0003"}').known


@pytest.mark.parametrize("status", [201, 202, 204, 206, 304])
def test_an_answer_without_a_result_is_no_refusal(status: int) -> None:
    error = refused("dws", status, b"")

    assert (error.reason, str(error)) == (Reason.PAYLOAD, f"the call was answered without a result (HTTP {status})")
