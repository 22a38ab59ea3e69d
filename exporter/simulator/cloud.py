"""The pretend cloud: its projects, its jobs, its users, and what was asked of it."""

import math
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from exporter.simulator.auth import AccessKey, Gate, Token
from exporter.simulator.cdm import CdmJob
from exporter.simulator.cdm_script import CdmCluster
from exporter.simulator.dataarts import FactoryJob
from exporter.simulator.dli import DliJob
from exporter.simulator.dli_flink import FlinkJob
from exporter.simulator.dli_spark import SparkBatch
from exporter.simulator.dws import DwsJob
from exporter.simulator.dws_cluster import DwsCluster
from exporter.simulator.faults import Faults
from exporter.simulator.key_source import Metadata, PodIdentity
from exporter.simulator.limits import Limits, busiest
from exporter.simulator.lockout import Lockout
from exporter.simulator.world import Truth

Job = DliJob | DwsJob | DwsCluster | CdmJob | SparkBatch | FlinkJob | FactoryJob

_TOKEN_TEXT: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-+"
_TOKEN_LENGTH: Final = 1800
_SECURITY_TOKEN_LENGTH: Final = 600
_REMEMBERED: Final = 100_000

LOGIN_LOCK: Final = 15 * 60.0
"""Seconds for which a user whose password was wrong too often cannot log in."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that reached an operation; *at* is world time, *wall* the gateway's clock, Unix seconds.

    *job* is the job id or CDM job name asked for, *cluster* the CDM cluster id there; *user* is None if the
    caller was refused (in what a node serves always). *credential* is the id of the access key that came with
    it, ``token``, ``password`` or None; *limit_class* names the calls that share a limit.
    """

    operation: str
    service: str
    job: str | None
    cluster: str | None
    user: str | None
    status: int
    at: float
    wall: float
    limit_class: str
    credential: str | None


class Cloud:
    """The state of the pretend cloud; the jobs themselves are functions of time.

    *clock* tells world time, *wall* the time by which signatures, tokens and throttling are judged; both Unix
    seconds. Let *wall* be the same callable as *clock* if the client under test signs by that clock. The same
    *seed* gives the same ids and secrets.
    """

    region = "cn-north-4"
    user = "svc_exporter"
    password = "Pretend-Passw0rd"
    domain = "acme-retail"

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        wall: Callable[[], float] = time.time,
        seed: int = 0,
    ) -> None:
        self.clock = clock
        self.wall = wall
        self.random = random.Random(seed)
        self.started = float(math.floor(clock()))
        self.project_id = self.new_hex()
        self.domain_id = self.new_hex()
        self.user_id = self.new_hex()
        self.projects = {self.region: self.project_id}
        self.gate = Gate()
        own = self.new_key(self.user)
        self.access_key, self.secret_key = own.key_id, own.secret
        self.logins = Lockout(LOGIN_LOCK)
        self.metadata = Metadata(self.new_key)
        self.pod_identity = PodIdentity(self.new_key)
        self.limits = Limits()
        self.faults = Faults()
        self.requests: deque[Asked] = deque(maxlen=_REMEMBERED)
        self.dli: dict[str, DliJob] = {}
        self.dws: dict[str, DwsJob] = {}
        self.spark: dict[str, SparkBatch] = {}
        self.flink: dict[int, FlinkJob] = {}
        self.factory: dict[tuple[str, str], FactoryJob] = {}
        self.cdm: dict[tuple[str, str], CdmJob] = {}
        self.dws_clusters: dict[str, DwsCluster] = {}
        self.cdm_clusters: dict[str, CdmCluster] = {}
        self.token = self.new_token().text

    def add(self, *jobs: Job) -> None:
        """Put jobs into the world; one with a known id, or a known cluster and name, takes the other's place."""
        for job in jobs:
            match job:
                case DliJob():
                    self.dli[job.job_id] = job
                case DwsJob():
                    self.dws[job.job_id] = job
                case DwsCluster():
                    self.dws_clusters[job.cluster_id] = job
                case SparkBatch():
                    self.spark[job.job_id] = job
                case FlinkJob():
                    self.flink[job.job_id] = job
                case FactoryJob():
                    self.factory[job.workspace, job.name] = job
                case CdmJob():
                    self.cdm[job.cluster_id, job.name] = job
                    self.cdm_clusters.setdefault(job.cluster_id, CdmCluster(job.cluster_id, "cdm-etl-prod"))

    def truth(self, job: Job, at: float | None = None) -> Truth | None:
        """Return what is true of *job* at world time *at* (now if None); None before its submission."""
        return job.truth(self.clock() if at is None else at)

    def asked(self, operation: str | None = None, job: str | None = None) -> list[Asked]:
        """Return the requests made of an operation or for a job, in their order."""
        return [each for each in self.requests if operation in (None, each.operation) and job in (None, each.job)]

    def busiest(self, user: str, limit_class: str, seconds: float = 60.0) -> int:
        """Return the most calls of *user* and *limit_class* in any *seconds* of the gateway's clock.

        Throttled ones count too: they tell by how much a client overdid it. Those of a caller who was refused
        belong to no user. Only the requests that are still remembered are looked at.
        """
        whose = (user, limit_class)
        return busiest((each.wall for each in self.requests if (each.user, each.limit_class) == whose), seconds)

    def new_hex(self) -> str:
        """Return 32 hex digits, the form of project and DWS job ids."""
        return f"{self.random.getrandbits(128):032x}"

    def new_uuid(self) -> str:
        """Return a UUID with dashes, the form of DLI job and of cluster ids."""
        digits = self.new_hex()
        return "-".join((digits[:8], digits[8:12], "4" + digits[13:16], "a" + digits[17:20], digits[20:]))

    def new_key(self, user: str, expires_at: float | None = None) -> AccessKey:
        """Issue an access key of *user*: a temporary one, with a security token, if it ends at *expires_at*."""
        key_id = ("HPUA" if expires_at is None else "HSTA") + self._text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 16)
        key = AccessKey(key_id, self._text(_TOKEN_TEXT[:62], 40), user)
        if expires_at is not None:
            security_token = self._text(_TOKEN_TEXT, _SECURITY_TOKEN_LENGTH)
            key = replace(key, security_token=security_token, expires_at=expires_at)
        self.gate.keys[key.key_id] = key
        return key

    def new_token(self, seconds: float = math.inf, project_id: str | None = None) -> Token:
        """Issue a token of the cloud's user for a project (None: the first), valid for *seconds* by *wall*."""
        text = "MII" + self._text(_TOKEN_TEXT, _TOKEN_LENGTH)
        token = Token(text, self.user, self.wall() + seconds, project_id or self.project_id)
        self.gate.tokens[token.text] = token
        return token

    def _text(self, alphabet: str, length: int) -> str:
        return "".join(self.random.choices(alphabet, k=length))
