"""The look-up of project ids in IAM.

Source: IAM API reference, "Querying Projects" (KeystoneListProjects). Every region has one project with the name of the
region.
"""

from typing import Final

from exporter.clock import Clock
from exporter.cloud.credentials import Credentials
from exporter.cloud.identity_calls import IAM_LIMIT, IamCalls
from exporter.cloud.identity_errors import identity_refusal
from exporter.model.errors import PollError
from exporter.model.reason import Reason
from exporter.services import error_classes, json_fields
from exporter.services.document import json_object
from exporter.services.request import Request

REMEDY: Final = "set projects.<name>.project_id"


async def find_project_id(iam: IamCalls, iam_url: str, name: str, credentials: Credentials, clock: Clock) -> str:
    """Return the id of the project that is called *name*; a region's own project is called like the region.

    Raises :class:`PollError`, of reason ``config`` if there is not exactly one.
    """
    request = Request("KeystoneListProjects", "/v3/projects", IAM_LIMIT, (("name", name),))
    answer = await iam.send(iam_url, request, credentials)
    if answer.status != 200:
        sentences = {
            Reason.API: f"IAM does not tell the id of the project {name}; {REMEDY}",
            Reason.AUTH: f"{error_classes.SENTENCES[Reason.AUTH]}; IAM was asked for the id of the project {name}",
            Reason.PERMISSION: f"IAM does not let these credentials look up the id of the project {name}; {REMEDY}",
            Reason.THROTTLED: "IAM throttles these credentials' calls; it is asked again later",
            Reason.SERVER: f"IAM failed to look up the id of the project {name}; it is asked again later",
        }
        raise identity_refusal(answer, sentences, clock.now(), proves=True)
    items = json_fields.Fields(json_object(answer.body), []).objects("projects") or []
    rows = (json_fields.Fields(item or {}, []) for item in items)
    # An IAM, or a proxy before it, that passes over the name answers with whatever projects there are.
    found = {row.text("id") for row in rows if is_asked(row, "name", name)}
    if len(found) != 1 or None in found:
        said = f"{len(found)} projects" if found - {None} else "no project"
        raise PollError(
            Reason.CONFIG, f"IAM returned {said} by the name of {name}; check region and project_name, or {REMEDY}"
        )
    return str(found.pop())


def is_asked(project: json_fields.Fields, part: str, asked: str) -> bool:
    """Whether a project of an answer has the ``id`` or ``name`` (*part*) that was *asked* for."""
    return project.text(part) is not None and project.of_job({part: part}, {part: asked})
