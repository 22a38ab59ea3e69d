"""What a node and a pod are told: metadata tokens and temporary keys, without the gateway and its headers.

The wording and form of the refusals is ours, but for the sentence about the agency.
"""

import hmac
import json
from collections.abc import Callable
from typing import Final, NamedTuple

from exporter.simulator.answers import Answer, Call, answer
from exporter.simulator.cloud import Asked, Cloud
from exporter.simulator.faults import Fault
from exporter.simulator.key_source import PodIdentity


def handle(cloud: Cloud, call: Call) -> tuple[Answer, Fault | None] | None:
    """Return the answer to a request and the fault that it meets; None if it is not for the node."""
    routes = [route for route in ROUTES if route.path == call.path]
    if not routes:
        return None
    route = next((route for route in routes if route.method == call.method), None)
    if route is None:
        return _text(405, "Method Not Allowed"), None
    now = cloud.wall()
    fault = cloud.faults.take(route.name, route.service, call)
    planned = None if fault is None else fault.answer
    given = planned or route.answer(cloud, call, now)
    cloud.requests.append(
        Asked(
            operation=route.name,
            service=route.service,
            job=None,
            cluster=None,
            user=None,
            status=given.status,
            at=cloud.clock(),
            wall=now,
            limit_class=route.service,
            credential=None,
        )
    )
    return given, fault


def create_token(cloud: Cloud, call: Call, now: float) -> Answer:
    """Answer ``PUT /meta-data/latest/api/token``."""
    metadata = cloud.metadata
    if metadata.token_refusal is not None:
        return _text(metadata.token_refusal, "There are no tokens here.")
    seconds = call.headers.get("x-metadata-token-ttl-seconds", "")
    if not seconds.isdecimal() or int(seconds) < 1:
        return _text(400, "X-Metadata-Token-Ttl-Seconds must be a number of seconds.")
    token = cloud.new_hex()
    metadata.tokens[token] = now + int(seconds)
    return _text(200, token)


def show_security_key(cloud: Cloud, call: Call, now: float) -> Answer:
    """Answer ``GET /openstack/latest/securitykey``."""
    metadata = cloud.metadata
    if not metadata.admits(call.headers.get("x-metadata-token"), now):
        return _text(401, "Unauthorized: X-Metadata-Token is missing, unknown or expired.")
    if not metadata.agency:
        return _text(401, "Please configure Cloud Service Agency first")
    return answer(200, metadata.document(now), Content_Type="application/json")


def create_pod_key(cloud: Cloud, call: Call, now: float) -> Answer:
    """Answer ``POST {}`` of a pod."""
    pod = cloud.pod_identity
    known = pod.authorization.encode()
    if not hmac.compare_digest(call.headers.get("authorization", "").encode(errors="surrogateescape"), known):
        return _text(401, "Unauthorized")
    try:
        asked = json.loads(call.body)
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        return _text(400, "The body must be a JSON object.")
    return answer(200, pod.document(now), Content_Type="application/json")


def _text(status: int, text: str) -> Answer:
    return Answer(status, text.encode(), {"Content-Type": "text/plain;charset=utf-8"})


class _Route(NamedTuple):
    name: str
    service: str
    method: str
    path: str
    answer: Callable[[Cloud, Call, float], Answer]


ROUTES: Final = (
    _Route("CreateMetadataToken", "metadata", "PUT", "/meta-data/latest/api/token", create_token),
    _Route("ShowSecurityKey", "metadata", "GET", "/openstack/latest/securitykey", show_security_key),
    _Route("CreatePodKey", "pod_identity", "POST", PodIdentity.path, create_pod_key),
)
"""What a node serves; the vendor does not name these operations, so the names are ours."""
