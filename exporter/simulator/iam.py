"""The IAM answers: a token for a password, and the projects (IAM API reference)."""

import json
from typing import Any, Final

from exporter.simulator.answers import Answer, Call, answer
from exporter.simulator.auth import Token
from exporter.simulator.cloud import Cloud
from exporter.simulator.world import utc

DAY: Final = 24 * 3600.0
"""Seconds for which a token holds."""


def create_token(cloud: Cloud, call: Call) -> Answer:
    """Answer ``POST /v3/auth/tokens`` (KeystoneCreateUserTokenByPassword); the token is in X-Subject-Token."""
    try:
        auth = json.loads(call.body)["auth"]
        user = auth["identity"]["password"]["user"]
        claimed, password = (user["domain"]["name"], user["name"]), user["password"]
        scope = auth["scope"]["project"]
        project = scope.get("id") or cloud.projects.get(scope.get("name"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return _refusal(400, "Bad Request", "Request body is invalid.")
    if claimed != (cloud.domain, cloud.user):
        return _refusal(401, "Unauthorized", "The username or password is wrong.")
    refusal = _login(cloud, password)
    if refusal is not None:
        return refusal
    if project not in cloud.projects.values():
        return _refusal(401, "Unauthorized", "The project is not found or the user has no role in it.")
    token = cloud.new_token(DAY, project)
    return answer(201, {"token": _token(cloud, token)}, X_Subject_Token=token.text)


def _login(cloud: Cloud, password: object) -> Answer | None:
    """Return the refusal of a password, None if it is right; while logins are locked it is not looked at."""
    now = cloud.wall()
    if cloud.logins.locked(cloud.user, now):
        return _refusal(401, "Unauthorized", "The user is locked. Try again later.")
    if password != cloud.password:
        cloud.logins.fail(cloud.user, now)
        return _refusal(401, "Unauthorized", "The username or password is wrong.")
    cloud.logins.succeed(cloud.user)
    return None


def list_projects(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v3/projects?name=``."""
    name = call.value("name")
    found = [_project(cloud, *project) for project in cloud.projects.items() if name in (None, project[0])]
    here = f"https://iam.{cloud.region}.myhuaweicloud.com/v3/projects"
    return answer(200, {"projects": found, "links": {"self": here, "next": None, "previous": None}})


def _project(cloud: Cloud, name: str, project_id: str) -> dict[str, Any]:
    return {
        "id": project_id,
        "name": name,
        "domain_id": cloud.domain_id,
        "parent_id": cloud.domain_id,
        "is_domain": False,
        "enabled": True,
        "description": "",
        "links": {"self": f"https://iam.{cloud.region}.myhuaweicloud.com/v3/projects/{project_id}"},
    }


def _token(cloud: Cloud, token: Token) -> dict[str, Any]:
    name = next(name for name, project_id in cloud.projects.items() if project_id == token.project_id)
    domain = {"id": cloud.domain_id, "name": cloud.domain}
    return {
        "expires_at": utc(token.expires_at),
        "issued_at": utc(token.expires_at - DAY),
        "methods": ["password"],
        "catalog": [],
        "roles": [{"id": "0", "name": "te_admin"}],
        "project": {"id": token.project_id, "name": name, "domain": domain},
        "user": {"id": cloud.user_id, "name": cloud.user, "domain": domain, "password_expires_at": ""},
    }


def _refusal(status: int, title: str, message: str) -> Answer:
    return answer(status, {"error": {"code": status, "message": message, "title": title}})
