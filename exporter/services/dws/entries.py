"""What the operator registers of DWS: a task by its id, or a cluster."""

from typing import Self

from pydantic import Field, model_validator

from exporter.services.adapter import CLUSTER_ID, JOB_ID, JobEntry


class DwsEntry(JobEntry):
    """A DWS task of the configuration, or a cluster, of which the operation under way is the run."""

    job_id: str | None = Field(default=None, description=JOB_ID)
    cluster_id: str | None = Field(default=None, description=CLUSTER_ID)

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.job_id is None) == (self.cluster_id is None):
            raise ValueError(
                "expected job_id, of a task, or cluster_id, for what is under way on a cluster: one of both"
            )
        return self

    @property
    def default_name(self) -> str:
        """The id; the ``job_name`` of a task is a kind of task, not a name."""
        return self.job_id or self.cluster_id or ""
