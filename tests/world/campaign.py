"""Writes the results of a campaign, many worlds and the faults that were put back, into docs/reliability.md.

`python -m tests.world --seeds 1-1000 --keep` stores the figures of those worlds, `python -m tests.world.put_back` those
of the faults, `python -m tests.world --soak 1000000 --keep` those of a soak; `python -m tests.world.campaign` writes
the page. Worlds of the same code of the exporter are one campaign, however often the command was run.
"""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "reliability.md"
FIGURES: Final = Path(__file__).parent / "campaign.json"
SOAK: Final = Path(__file__).parent / "soak.json"
PUT_BACK: Final = Path(__file__).parent / "mutants" / "found.json"
BEGIN: Final = "<!-- what follows is written by tests/world/campaign.py -->\n"


PUT_BACK_FIRST: Final = """
## Faults that were put back

Faults that were fixed in the exporter are kept as patches in `tests/world/mutants`. Each patch is applied to a copy of
the code, and worlds run in the order of their seeds until one fails that passes without the patch. Worlds in which the
fault cannot show, for example because they have no job files, are left out.

| fault that was put back | found by seed | by the law |
|---|---|---|"""


def code_of(package: Path) -> str:
    """Return what stands for the code of an exporter: the beginning of its SHA-256."""
    whole = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        whole.update(f"{file.relative_to(package)}\n".encode() + file.read_bytes())
    return whole.hexdigest()[:12]


def keep(worlds: str, figures: Counter[str], found: int, took: float) -> None:
    """Add what a run of the command was to the campaign with the exporter as it is."""
    code, kept = code_of(ROOT / "exporter"), json.loads(FIGURES.read_text())
    new: dict[str, Any] = {"code": code, "worlds": []}
    before: dict[str, Any] = next((each for each in kept if each["code"] == code), new)
    after = {**before, "worlds": joined([*before["worlds"], worlds])}
    for name, figure in {**figures, "found": found, "took": round(took)}.items():
        known = before.get(name, 0)
        after[name] = max(known, figure) if name.startswith(("most", "longest")) else known + figure
    kept = [each for each in kept if each["code"] != code] + [after]
    FIGURES.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


def joined(worlds: list[str]) -> list[str]:
    """Return ranges of seeds, those that follow each other as one."""
    found: list[str] = []
    for each in worlds:
        first, _, last = each.partition("-")
        before, _, end = found[-1].partition("-") if found else ("", "", "")
        if end.isdecimal() and first.isdecimal() and int(first) == int(end) + 1:
            found[-1] = f"{before}-{last or first}"
        else:
            found.append(each)
    return found


def keep_soak(figures: dict[str, Any]) -> None:
    """Keep what a soak was, and the one before."""
    kept = json.loads(SOAK.read_text()) if SOAK.exists() else []
    SOAK.write_text(json.dumps([*kept, figures][-2:], indent=1, sort_keys=True) + "\n")


def soaked(soaks: list[dict[str, Any]]) -> list[str]:
    """Return the lines about the last soaks."""
    lines = [
        "\n## The last soaks\n",
        "One exporter polls for days. Meanwhile jobs are added and renamed in a job file that is sometimes half",
        "written, the configuration is reloaded, and the cloud and the network fail. Memory (with that of the",
        "simulated world) at the end is compared with that after a tenth of the polls, and after half of them. Caches",
        "that have a bound are full from the start. Both memory and the pieces of it in use may grow by 2 % after the",
        "first tenth. Where garbage is left to Python's collector, memory also rises until the most of it has waited",
        "at once; a leak is more pieces in use, and goes on in the second half.\n",
        "| polls | simulated days | garbage | at the end | change | second half | pieces in use | failed checks |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in soaks:
        garbage = "collected every 250 polls" if each.get("garbage") == "collected" else "left to Python"
        blocks = f"{each['drift of blocks']:.1%}" if "drift of blocks" in each else "not counted"
        half = each.get("drift of the second half")
        later = "not measured" if half is None else f"{half:.1%}"
        memory = f"{each['MiB']:.1f} MiB | {each['drift']:.1%} | {later} | {blocks}"
        lines.append(f"| {each['polls']:,} | {each['days']:,.1f} | {garbage} | {memory} | {each['found'] or 'none'} |")
    return lines


def earlier(campaigns: list[dict[str, Any]]) -> list[str]:
    """Return the lines about the campaigns before, each with other code."""
    rows = [
        f"| `{each['code']}` | {', '.join(each['worlds'])} | {each['number']:,} | {each['found']} |"
        for each in campaigns
    ]
    whole = sum(each["number"] for each in campaigns)
    return [
        f"\nBefore that, {whole:,} worlds ran with earlier code of the exporter, named by the beginning of its",
        "SHA-256. What failed was fixed, in the exporter or in the laws, or is one of the known exceptions.\n",
        "| code | seeds | worlds | failed |",
        "|---|---|---|---|",
        *rows,
    ]


def text(campaigns: list[dict[str, Any]], put_back: dict[str, dict[str, Any]], soaks: list[dict[str, Any]]) -> str:
    """Return the part of the page that is made of figures."""
    campaign = campaigns[-1]
    days = campaign["seconds"] / 86400
    result = f"{campaign['found'] or 'None'} of them failed."
    what = f"Code `{campaign['code']}`: {campaign['number']:,} worlds (seeds {', '.join(campaign['worlds'])})"
    seen = f"{campaign['calls']:,} calls, {campaign['scrapes']:,} scrapes and {campaign['samples']:,} samples"
    lines = [
        "\n## The last campaign\n",
        f"{what} of {days:,.1f} simulated days. {result}",
        f"{seen} were checked against the laws.",
        f"There were at most {campaign['most connections']} connections and {campaign['most tasks']} tasks at a time.",
        *(
            [f"A callback took at most {held / 1000:.0f} ms of CPU time."]
            if (held := campaign.get("longest callback, us", 0))
            else []
        ),
        *(earlier(campaigns[:-1]) if campaigns[:-1] else ()),
        *(soaked(soaks) if soaks else ()),
        PUT_BACK_FIRST,
    ]
    for _, each in sorted(put_back.items()):
        after = f"{each['seed']}" if each["seed"] else f"not within {each['most']}"
        law = f"`{each['law']}`" if each["law"] else ""
        lines.append(f"| {each['fault']} | {after} | {law} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page."""
    put_back = json.loads(PUT_BACK.read_text()) if PUT_BACK.exists() else {}
    soaks = json.loads(SOAK.read_text()) if SOAK.exists() else []
    page = PAGE.read_text().partition(BEGIN)[0]
    PAGE.write_text(page.rstrip("\n") + "\n\n" + BEGIN + text(json.loads(FIGURES.read_text()), put_back, soaks))


if __name__ == "__main__":
    main()
