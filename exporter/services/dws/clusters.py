"""A DWS cluster as a job: the operation in progress on it is the run.

The calls that scale out, redistribute, take a snapshot, restore or restart return no job id; only the status of the
cluster shows the operation. There an operation has no id and no end, and only a scale-out has a start. No word says
that one succeeded, so when an operation is over its result is unknown, unless a call about the operation reports it
(:mod:`exporter.services.dws.operations`). Source: DWS API reference, "Querying the Cluster List" (ListClusters) and
"Querying Cluster Details" (ListClusterDetails), and the words of the SDK.
"""

from typing import Final

from exporter.model.errors import PollError, first_line
from exporter.model.job import Job
from exporter.model.packed import Packed
from exporter.model.reason import Reason
from exporter.model.snapshot import NOTHING, Snapshot, State
from exporter.services import error_classes, json_fields
from exporter.services.adapter import Adapter
from exporter.services.codes_in_text import failure_code
from exporter.services.dws import words
from exporter.services.dws.entries import DwsEntry
from exporter.services.dws.operations import STEP_MEASURES, OperationReader
from exporter.services.dws.words import Operation
from exporter.services.request import Request, segments
from exporter.services.values import hundredth, meaning, said

CLUSTER_NAMES: Final = {"id": "cluster_id"}
"""What a cluster repeats of the job that was asked for."""
_DONE: Final = 1.0
_UNREADABLE: Final = Operation("", State.UNKNOWN)


class DwsCluster(Adapter):
    """The adapter of what is under way on a cluster."""

    service = "dws"
    entry = DwsEntry
    hosts = words.HOSTS
    limits = words.LIMITS
    codes = words.CODES
    states = {word: each.state for word, each in words.OPERATIONS.items()}
    run_reader = OperationReader()
    measures = STEP_MEASURES
    final = False

    def request(self, job: Job, project_id: str) -> Request:
        """Ask for the details of the cluster, because the list has no start of a scale-out."""
        path = segments("v1.0", project_id, "clusters", job.target["cluster_id"])
        return Request("ListClusterDetails", path, self.limit)

    def snapshot(self, fields: json_fields.Fields, job: Job) -> Snapshot:
        """Read the cluster; an answer without one is a failure."""
        found, inner = words.errors_told(fields), fields.object("cluster")
        if found.codes or not inner:
            raise error_classes.refusal(200, found, self.codes, otherwise=Reason.API if found.codes else Reason.PAYLOAD)
        cluster = fields.row(inner)
        cluster.check_job(CLUSTER_NAMES, job.target)
        answer = cluster_snapshot(cluster)
        if answer is None:
            raise PollError(Reason.PAYLOAD, "the answer has neither the status nor the operation of the cluster")
        return answer


def cluster_snapshot(fields: json_fields.Fields) -> Snapshot | None:
    """Return what a cluster says of the operation on it; ``None`` if it says nothing of its state."""
    status = fields.text("status")
    field, word, operation = _operation(fields)
    if operation is None and status is None:
        return None
    detail = {
        "cluster_status": status,
        "sub_status": fields.text("sub_status"),
        "task_status": fields.text("task_status"),
        "nodes": fields.count("number_of_node"),
    }
    if operation is None and meaning(status or "", words.CLUSTERS) is not None:
        shown = Packed({name: value for name, value in detail.items() if value is not None})
        return Snapshot(State.UNKNOWN, status or "", idle=True, detail=shown, unknown=tuple(fields.unknown))
    if operation is None or not operation.kind:
        fields.unreadable(field)
        operation, word = _UNREADABLE, "other"
    resize = _resize(fields, word)
    start = resize.moment("start_time")
    detail |= {"target_nodes": resize.count("target_node_num"), "nodes_before": resize.count("origin_node_num")}
    code = None
    if operation.state is State.FAILED:
        reasons = fields.within("failed_reasons", "failed_reasons.")
        reported, text = reasons.text("error_code"), reasons.text("error_msg")
        code = failure_code(reported)
        detail |= {"failed_code": first_line(reported or "") or None, "failed_detail": first_line(text or "") or None}
    return Snapshot(
        state=operation.state,
        native_state=word,
        kind=operation.kind,
        progress=_progress(fields, operation, word),
        start=start,
        failure_code=code,
        words=Packed({"operation": operation.kind}) if operation.kind else NOTHING,
        detail=Packed({name: value for name, value in detail.items() if value is not None}),
        unknown=tuple(fields.unknown),
    )


def _operation(fields: json_fields.Fields) -> tuple[str, str, Operation | None]:
    """Return the field that names the operation, its word, and what the word means; ``None`` if no field names one.

    ``task_status`` is read first: while a cluster is restored, ``status`` says that it is created. An unknown word
    means that some operation is in progress.
    """
    task = fields.text("task_status")
    if task is not None or said(fields.data.get("task_status")):
        return "task_status", task or "", meaning(task or "", words.OPERATIONS) or _UNREADABLE
    status = fields.text("status") or ""
    if (found := meaning(status, words.CLUSTER_OPERATIONS)) is not None:
        return "status", status, found
    for field in ("status", "sub_status"):
        if said(fields.data.get(field)) and fields.text(field) is None:
            return field, "", _UNREADABLE
    for part in _parts(fields):
        if (found := meaning(part, words.SUB_OPERATIONS)) is not None:
            return "sub_status", part, found
    return _by_progress(fields)


def _parts(fields: json_fields.Fields) -> list[str]:
    """Return the words of ``sub_status``; one that is not known is noted, and says nothing of an operation."""
    parts = [part.strip() for part in (fields.text("sub_status") or "").split("|") if part.strip()]
    if any(part.upper() not in words.SUB_WORDS for part in parts):
        fields.unreadable("sub_status")
    return parts


def _by_progress(fields: json_fields.Fields) -> tuple[str, str, Operation | None]:
    """Return the operation that has a progress, of a cluster that has no word for it, as older answers have not."""
    under_way = [
        (word, found)
        for word in fields.object("action_progress") or {}
        if (found := meaning(word, words.OPERATIONS)) is not None and _ratio(fields, word) not in {None, _DONE}
    ]
    if len(under_way) != 1:
        return "status", "", None
    word, found = under_way[0]
    return "action_progress", word, found


def _progress(fields: json_fields.Fields, operation: Operation, word: str) -> float | None:
    """Return the progress that ``action_progress`` has for the operation."""
    ratios = (_ratio(fields, key) for key in dict.fromkeys((operation.kind, word)))
    return next((ratio for ratio in ratios if ratio is not None), None)


def _ratio(fields: json_fields.Fields, word: str) -> float | None:
    reported = fields.object("action_progress") or {}
    key = next((each for each in reported if each.upper() == word.upper()), None)
    if not word or key is None:
        return None
    percent = fields.row(reported, "action_progress.").amount(key, full=100, suffix="%")
    return None if percent is None else hundredth(percent)


def _resize(fields: json_fields.Fields, word: str) -> json_fields.Fields:
    """Return ``resize_info`` if it is about the operation in progress, and not about an earlier one."""
    found = fields.within("resize_info", "resize_info.")
    same = (found.text("resize_status") or "").upper() == word.upper()
    return found if same else found.row({})
