"""Which answers are read outside the event loop."""

import asyncio
import threading

from exporter.cloud.offload import asking
from exporter.services.request import Request


def test_an_answer_of_many_short_rows_is_read_outside_the_event_loop() -> None:
    body = b'{"submissions":[' + b",".join([b"{}"] * 1000) + b"]}"

    async def call(request: Request) -> bytes:
        return body

    def reader(answer: bytes) -> tuple[threading.Thread, int]:
        return threading.current_thread(), len(answer)

    async def main() -> tuple[threading.Thread, int]:
        return (await asking(call, lambda: 0.0, lambda _: None)(Request("ShowSubmissions", "/", "cdm_list"), reader))[0]

    thread, length = asyncio.run(main())
    assert thread is not threading.main_thread()
    assert length == len(body)
