"""The vendor's own SDK in a thread pool: ``python -m benchmarks.peers.sdk URL COUNT``."""

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkdli.v1 import DliClient, ShowSqlJobProgressRequest

from benchmarks.jobs import KEY_ID, PROJECT_ID, SECRET

THREADS = 32


def main(url: str, count: int) -> None:
    """Make the calls, a few to warm up and the rest measured, and tell the CPU seconds of one."""
    credentials = BasicCredentials(KEY_ID, SECRET, PROJECT_ID)
    config = HttpConfig.get_default_config()
    builder = DliClient.new_builder().with_credentials(credentials).with_http_config(config)
    client = builder.with_endpoint(url).build()

    def work(calls: Iterator[int]) -> None:
        for number in calls:
            client.show_sql_job_progress(ShowSqlJobProgressRequest(job_id=f"85798b38-ae44-48eb-bb90-{number:012}"))

    used = 0.0
    with ThreadPoolExecutor(THREADS) as pool:
        for calls in (count // 10, count):
            left = iter(range(calls))
            began = time.process_time()
            for done in [pool.submit(work, left) for _ in range(THREADS)]:
                done.result()
            used = time.process_time() - began
    print(json.dumps({"cpu": used / count}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
