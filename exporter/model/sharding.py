"""The shard that polls a job: a stable choice that moves few jobs when the number of shards changes."""

from hashlib import blake2b

from exporter.model.job import JobKey


def shard_of(key: JobKey, shards: int) -> int:
    """Return the shard of a job, 0 to *shards* - 1: the one whose hash with the job is the greatest.

    With one shard more, only the jobs whose greatest hash is the new shard's move: one in *shards* + 1.
    """
    name = "\0".join(key).encode("utf-8", "surrogatepass")
    return max(range(shards), key=lambda shard: blake2b(name, digest_size=8, salt=shard.to_bytes(4, "big")).digest())
