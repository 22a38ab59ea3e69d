"""The description of the JSON API in OpenAPI 3.1: its parameters, and the fields of its responses. Pure.

It is generated from the tables below, and a test compares them with real responses.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from exporter import __version__
from exporter.model.standing import STANDINGS
from exporter.services import registry
from exporter.web.order import GROUPS, LABEL, SORTS
from exporter.web.page.texts import LANGUAGES
from exporter.web.query import CLOCK_WORDS, FAILED, GREATEST_NUMBER, LONGEST_SEARCH

_Schema = dict[str, Any]
_GROUP: Final = rf"^({'|'.join(GROUPS)}|{re.escape(LABEL)}.+)?$"

_TEXT: Final[_Schema] = {"type": "string"}
_NUMBER: Final[_Schema] = {"type": "number"}
_COUNT: Final[_Schema] = {"type": "integer"}
_PLACE: Final[_Schema] = {"type": "integer", "minimum": 0, "maximum": GREATEST_NUMBER}
_FLAG: Final[_Schema] = {"type": "boolean"}
_ANYTHING: Final[_Schema] = {"type": "object", "additionalProperties": True}


def _maybe(schema: _Schema) -> _Schema:
    """Return the schema of what may be unknown."""
    return {**schema, "type": [schema["type"], "null"]}


def _object(fields: Mapping[str, _Schema]) -> _Schema:
    return {"type": "object", "properties": dict(fields), "required": list(fields), "additionalProperties": False}


def _array(fields: Mapping[str, _Schema]) -> _Schema:
    return {"type": "array", "items": _object(fields)}


def _of(names: Iterable[str], schema: _Schema) -> dict[str, _Schema]:
    return dict.fromkeys(names, schema)


_ERROR: Final = {
    "reason": _TEXT, "code": _maybe(_TEXT), "request_id": _maybe(_TEXT), "sentence": _TEXT, "text": _maybe(_TEXT),
    "at": _NUMBER,
}  # fmt: skip
_AWAY: Final[_Schema] = {"type": ["array", "null"], "items": _NUMBER, "minItems": 2, "maxItems": 2}
_RUN: Final[Mapping[str, _Schema]] = {
    "result": _TEXT, "code": _maybe(_TEXT),
    **_of(("start", "end", "seen_ended", "ended_before", "took", "waited", "rows_written"), _maybe(_NUMBER)),
}  # fmt: skip
_RUNS: Final[Mapping[str, _Schema]] = {
    "now": _NUMBER, "service": _TEXT, "job": _TEXT, "since": _maybe(_NUMBER), "away": _AWAY,
    "runs": _array(_RUN),
    "progress": _array({"at": _NUMBER, "ratio": _NUMBER}),
    "turns": _array({"at": _NUMBER, "was": _TEXT, "now": _TEXT, "code": _maybe(_TEXT)}),
    "failures": _array({"at": _NUMBER, "reason": _TEXT, "code": _maybe(_TEXT), "request_id": _maybe(_TEXT)}),
}  # fmt: skip
_CHANGES: Final[Mapping[str, _Schema]] = {
    "now": _NUMBER, "since": _NUMBER, "away": _AWAY,
    "changes": _array({
        "at": _NUMBER, "service": _TEXT, "job": _TEXT, "project": _TEXT, "was": _TEXT, "now": _TEXT,
        "code": _maybe(_TEXT), "took": _maybe(_NUMBER), "jobs": _COUNT,
    }),
}  # fmt: skip


def _job_fields() -> dict[str, _Schema]:
    """Return the fields of one job."""
    return {
        **_of(("service", "job", "project"), _TEXT),
        **_of(("region", "project_id", *registry.declared().identity), _maybe(_TEXT)),
        "source": _TEXT,
        "standing": {"type": "string", "enum": list(STANDINGS)},
        **_of(("run_id", "state", "native_state", "failure_code", "complaint"), _maybe(_TEXT)),
        "progress": _maybe(_NUMBER),
        "deadline": _maybe(_NUMBER),
        "deadline_met": _maybe(_FLAG),
        "incremental": _maybe(_FLAG),
        **_of(("labels", "promises", "counts", "failures", "runs", "totals", "detail"), _ANYTHING),
        **_of(("start", "end", "pending_since", "last_progress", "estimated_completion"), _maybe(_NUMBER)),
        **_of(("last_success", "last_failure", "last_run_duration", "last_poll", "next_poll"), _maybe(_NUMBER)),
        "up": _maybe(_FLAG),
        **_of(("stale", "final"), _FLAG),
        "failing": _COUNT,
        "error": _maybe(_object(_ERROR)),
        "off": _maybe(_TEXT),
        "schedule": _maybe(_TEXT),
    }


def description() -> dict[str, Any]:
    """Return the whole description."""
    services = {"type": "string", "enum": list(registry.load_services())}
    words = {
        "q": {**_TEXT, "maxLength": LONGEST_SEARCH}, "service": services,
        "state": {"type": "string", "enum": list(STANDINGS)},
        "error": {"type": "string", "enum": ["0", "1"]}, "sort": {"type": "string", "enum": list(SORTS)},
        "order": {"type": "string", "enum": ["asc", "desc"]}, "limit": _PLACE,
        "offset": _PLACE,
        "failed": {"type": "string", "enum": list(FAILED)},
        "group": {"type": "string", "pattern": _GROUP, "example": f"{LABEL}team"},
        "clock": {"type": "string", "enum": list(CLOCK_WORDS)},
        "lang": {"type": "string", "enum": list(LANGUAGES)},
        "job": {"type": "string", "pattern": "^$|/", "example": "SERVICE/JOB"},
    }  # fmt: skip
    # a form sends the fields that nobody filled in, too: they count as not set
    query = [{"name": name, "in": "query", "allowEmptyValue": True, "schema": schema} for name, schema in words.items()]
    which = [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in ("service", "job")]
    named = [{**each, "in": "query"} for each in which]
    jobs = _object({"now": _NUMBER, "total": _COUNT, "jobs": {"type": "array", "items": _job()}})
    one = _object({"now": _NUMBER, **_job_fields()})
    missing = _object(
        {"error": _TEXT, "nearest": {"type": "array", "items": _object({"service": _TEXT, "job": _TEXT})}}
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "huaweicloud-job-exporter", "version": __version__},
        "paths": {
            "/api/v1/jobs": _get("Jobs that match", jobs, query, {"400": _object({"error": _TEXT})}),
            "/api/v1/jobs/{service}/{job}": _get("One job", one, which, {"404": missing}),
            "/api/v1/jobs/{service}/{job}/runs": _get("Its past", _object(_RUNS), which, {"404": missing}),
            "/api/v1/job": _get("One job of any name", one, named, {"404": missing}),
            "/api/v1/job/runs": _get("Its past", _object(_RUNS), named, {"404": missing}),
            "/api/v1/changes": _get("What changed of all jobs", _object(_CHANGES), [], {}),
            "/api/v1/openapi.json": _get("This description", _ANYTHING, [], {}),
        },
        "components": {"schemas": {"Job": _object(_job_fields())}},
    }


def _job() -> _Schema:
    return {"$ref": "#/components/schemas/Job"}


def _get(
    what: str, answer: _Schema, parameters: list[dict[str, Any]], refusals: Mapping[str, _Schema]
) -> dict[str, Any]:
    answers = {"200": answer, **refusals}
    return {
        "get": {
            "summary": what,
            "parameters": parameters,
            "responses": {
                status: {
                    "description": "OK" if status == "200" else "refused, and why",
                    "content": {"application/json": {"schema": schema}},
                }
                for status, schema in answers.items()
            },
        }
    }
