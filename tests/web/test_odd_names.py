"""Jobs of any name are reached from the list: their page, their JSON and that of their runs."""

import re
from html import unescape
from urllib.parse import urljoin

import pytest

from exporter.runs.past import JobPast
from tests.web.fakes import NOW, FakeExporter, running, serving
from tests.web.test_job_json import NAMES

ODD = [
    *NAMES,
    *(".", "..", "x/runs", "runs", "/", "a\\b", "\tx ", "&lt;b&gt;", "{{ 7 * 7 }}", "\N{RIGHT-TO-LEFT OVERRIDE}abc"),
    "\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET} 1",
    "每日订单" * 60,
]
"""Twenty-two."""


@pytest.mark.parametrize("more", ["", "?lang=zh&clock=cloud"])
async def test_a_job_of_any_name_is_reached_from_the_list(more: str) -> None:
    records = [running(name) for name in ODD]
    there = FakeExporter(records, pasts={record.job.key: JobPast(NOW - 9) for record in records})
    async with serving(there) as client:

        async def read(address: str) -> str:
            answer = await client.get(address.removeprefix("http://x"))
            assert answer.status == 200, address
            return await answer.text()

        html = await read(f"/{more}")
        found = re.findall(r'class="c-job"><a href="([^"]*)" dir="auto">(.*?)</a>', html, re.DOTALL)
        links = {unescape(name): urljoin("http://x/", unescape(link)) for link, name in found}
        assert set(links) == set(ODD)
        for name, link in links.items():
            one = await read(link)
            assert f'<h1 dir="auto">{name}</h1>' == unescape(re.findall(r"<h1.*?</h1>", one, re.DOTALL)[0])
            api = re.findall(r'<a href="([^"]*)">(?:JSON|JSON of its runs|运行记录 JSON)</a>', one)
            assert len(api) == 2
            for address in api:
                there_is = await client.get(urljoin(link, unescape(address)).removeprefix("http://x"))
                assert (await there_is.json())["job"] == name, address
