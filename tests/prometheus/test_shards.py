"""What HuaweicloudJobExporterShardMissing counts with."""

from tests.e2e.processes import eventually, fetch, serving


def test_a_shard_tells_which_it_is_and_how_many_there_are() -> None:
    with serving("demo", EXPORTER_SHARDING__SHARDS="3", EXPORTER_SHARDING__SHARD="1") as (_, address):
        eventually(lambda: fetch(f"{address}/-/healthy")[0] == 200, "serving")
        lines = fetch(f"{address}/metrics")[1].decode().splitlines()

    assert 'huaweicloud_job_exporter_shard_info{shard="1",shards="3"} 1.0' in lines
    assert "huaweicloud_job_exporter_shards 3.0" in lines
