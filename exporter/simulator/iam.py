"""The IAM answers: a token for a password, and the projects (IAM API reference)."""

import json
from datetime import UTC, datetime
from typing import Any, Final

from exporter.simulator.answers import Answer, Call, answer
from exporter.simulator.cloud import Cloud

DAY: Final = 24 * 3600.0
"""Seconds for which a token holds."""


def create_token(cloud: Cloud, call: Call) -> Answer:
    """Answer ``POST /v3/auth/tokens`` (KeystoneCreateUserTokenByPassword); the token is in X-Subject-Token."""
    try:
        auth = json.loads(call.body)["auth"]
        user = auth["identity"]["password"]["user"]
        claimed = (user["domain"]["name"], user["name"], user["password"])
        project = auth["scope"]["project"]
        scope = (project.get("id"), project.get("name"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return _refusal(400, "Bad Request", "Request body is invalid.")
    if claimed != (cloud.domain, cloud.user, cloud.password):
        return _refusal(401, "Unauthorized", "The username or password is wrong.")
    if scope[0] != cloud.project_id and scope[1] != cloud.region:
        return _refusal(401, "Unauthorized", "The project is not found or the user has no role in it.")
    token = cloud.new_token(DAY)
    return answer(201, {"token": _token(cloud, token.expires_at)}, X_Subject_Token=token.text)


def list_projects(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v3/projects?name=``."""
    name = call.value("name")
    project = {
        "id": cloud.project_id,
        "name": cloud.region,
        "domain_id": cloud.domain_id,
        "parent_id": cloud.domain_id,
        "is_domain": False,
        "enabled": True,
        "description": "",
        "links": {"self": f"https://iam.{cloud.region}.myhuaweicloud.com/v3/projects/{cloud.project_id}"},
    }
    projects = [project] if name in (None, cloud.region) else []
    here = f"https://iam.{cloud.region}.myhuaweicloud.com/v3/projects"
    return answer(200, {"projects": projects, "links": {"self": here, "next": None, "previous": None}})


def _token(cloud: Cloud, expires_at: float) -> dict[str, Any]:
    domain = {"id": cloud.domain_id, "name": cloud.domain}
    return {
        "expires_at": _time(expires_at),
        "issued_at": _time(expires_at - DAY),
        "methods": ["password"],
        "catalog": [],
        "roles": [{"id": "0", "name": "te_admin"}],
        "project": {"id": cloud.project_id, "name": cloud.region, "domain": domain},
        "user": {"id": cloud.user_id, "name": cloud.user, "domain": domain, "password_expires_at": ""},
    }


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _refusal(status: int, title: str, message: str) -> Answer:
    return answer(status, {"error": {"code": status, "message": message, "title": title}})
