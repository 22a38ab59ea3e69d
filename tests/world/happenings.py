"""What each kind of event does to a world when it begins and when it is over."""

import asyncio
import errno
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from tests.world.cloud import Trouble
from tests.world.machine import fail_once
from tests.world.story import LIGHT, Event

if TYPE_CHECKING:
    from tests.world.simulation import Simulation

AGAIN: Final = 30.0
"""Seconds for which job files are out of the configuration before they are in it again, and out once more."""
Happening = Callable[["Simulation", Event, int], Awaitable[None]]
HAPPENINGS: Final[dict[str, Happening]] = {}


def happens(*kinds: str) -> Callable[[Happening], Happening]:
    """Put a function into the table."""

    def enter(function: Happening) -> Happening:
        HAPPENINGS.update(dict.fromkeys(kinds, function))
        return function

    return enter


@happens("misbehave", "hang_up", "throttle", "out_of_order", "unasked", "vanish", "forget", "older")
async def misbehave(sim: "Simulation", event: Event, number: int) -> None:
    """Let the cloud do something wrong for a while."""
    weights = {name: LIGHT.get(name) or 1.0 for name in event.facts["names"]}
    sim.troubles.active[number] = Trouble(event.facts["share"], weights)
    sim.dates_lied |= "wrong_date" in weights
    await asyncio.sleep(event.lasts)
    del sim.troubles.active[number]


@happens("unauthorized")
async def unauthorized(sim: "Simulation", event: Event, number: int) -> None:
    """Let the cloud refuse everybody for a while."""
    del number
    sim.cloud.unauthorized_until = sim.now() + event.lasts
    await asyncio.sleep(event.lasts)


def _weather(name: str, begin: Callable[[Event], dict[str, Any]]) -> None:
    @happens(name)
    async def change(sim: "Simulation", event: Event, number: int) -> None:
        del number
        weather, usual = sim.network.weather, sim.usual
        for key, value in begin(event).items():
            setattr(weather, key, value)
        await asyncio.sleep(event.lasts)
        for key in begin(event):
            setattr(weather, key, getattr(usual, key))


_weather("loss", lambda event: {"loss": event.facts["loss"]})
_weather("slow_network", lambda event: {"latency": event.facts["latency"], "jitter": event.facts["jitter"]})
_weather("cut", lambda _: {"cut": True})
_weather("refused", lambda _: {"refused": True})
_weather("names_fail", lambda _: {"names_fail": True})
_weather("names_slow", lambda event: {"names_slow": event.facts["seconds"]})


@happens("disk")
async def disk(sim: "Simulation", event: Event, number: int) -> None:
    """Let the disk refuse to be written."""
    del number
    sim.machine.disk.problem = getattr(errno, event.facts["problem"])
    await asyncio.sleep(event.lasts)
    sim.machine.disk.problem = None


@happens("slow_disk")
async def slow_disk(sim: "Simulation", event: Event, number: int) -> None:
    """Let each sync take long."""
    del number
    sim.machine.disk.slow = event.facts["seconds"]
    await asyncio.sleep(event.lasts)
    sim.machine.disk.slow = 0.0


@happens("kill")
async def kill(sim: "Simulation", event: Event, number: int) -> None:
    """End the process without a warning and start another."""
    del number
    sim.machine.kill("-9")
    await sim.again(event.facts["down"])


@happens("kill_in_write", "power")
async def kill_in_write(sim: "Simulation", event: Event, number: int) -> None:
    """End the process at a step of the next write, or the machine with all that nobody synced."""
    del number
    machine = sim.machine
    machine.disk.dies_in = event.facts["steps"]
    for _ in range(60):
        if not machine.up:
            break
        await asyncio.sleep(1.0)
    machine.disk.dies_in = None
    machine.kill("-9")
    if event.kind == "power":
        machine.disk.power_failure()
    await sim.again(event.facts["down"])


@happens("restart")
async def restart(sim: "Simulation", event: Event, number: int) -> None:
    """Stop the process as an operator does and start another."""
    del number
    await sim.stop()
    await sim.again(event.facts["down"])


@happens("freeze")
async def freeze(sim: "Simulation", event: Event, number: int) -> None:
    """Stop the process for a while, as a machine does that is moved."""
    del number
    host = sim.machine.host
    if host is not None:
        host.frozen_until = sim.loop.time() + event.lasts
    await asyncio.sleep(event.lasts)


@happens("clock")
async def clock(sim: "Simulation", event: Event, number: int) -> None:
    """Set the wall clock of the exporter's machine."""
    del number
    sim.set_clock(sim.machine.offset + event.facts["seconds"])


async def _written(sim: "Simulation", by: str) -> None:
    if by == "signal":
        sim.machine.signal(signal.SIGHUP)
    await asyncio.sleep(5.0)


@happens("reload")
async def reload(sim: "Simulation", event: Event, number: int) -> None:
    """Change the configuration."""
    del number
    sim.interval = event.facts["interval"]
    sim.write_configuration()
    await _written(sim, event.facts["by"])


@happens("broken_reload")
async def broken_reload(sim: "Simulation", event: Event, number: int) -> None:
    """Write a configuration that is none, and the right one some time later."""
    del number
    sim.machine.config.write_text(event.facts["text"])
    sim.broken = True
    await _written(sim, event.facts["by"])
    await asyncio.sleep(event.lasts)
    sim.broken = False
    sim.write_configuration()
    await _written(sim, event.facts["by"])
    await sim.again(0.0)


@happens("drop_files")
async def drop_files(sim: "Simulation", event: Event, number: int) -> None:
    """Take the job files out of the configuration for a while, in a long while several times."""
    del number
    times = 1 + int(event.lasts // AGAIN)
    for _ in range(times):
        sim.dropped += 1
        sim.write_configuration()
        await _written(sim, "file")
        await asyncio.sleep(30.0)
        sim.laws.gone = sim.story.shape.watched == "file" and sim.machine.up and not sim.broken
        await asyncio.sleep(event.lasts / times)
        sim.laws.gone = False
        sim.dropped -= 1
        sim.registered_anew()
        sim.write_configuration()
        await _written(sim, "file")


@happens("rotate")
async def rotate(sim: "Simulation", event: Event, number: int) -> None:
    """Replace the secret of the key in the cloud, and some time later in its file."""
    del number
    key = next(iter(sim.truth.keys))
    sim.truth.keys[key] = f"secret-{event.at}"
    await asyncio.sleep(event.facts["late"])
    sim.write_configuration()
    await asyncio.sleep(400.0)  # a key that was refused five times in a row rests for six minutes


@happens("moves")
async def moves(sim: "Simulation", event: Event, number: int) -> None:
    """Let the names of the cloud lead elsewhere; the old address answers rightly, says 503, or refuses."""
    del number
    old = event.facts["old"]
    sim.network.move(refuses=old != "works")
    if old == "sour":
        sim.cloud.spoil()
    elif old == "refuses":
        sim.cloud.reset_all()


@happens("job_file")
async def job_file(sim: "Simulation", event: Event, number: int) -> None:
    """Write the job file in two halves, away and back, or broken and right again."""
    del number
    path, text = sim.machine.config.parent / "jobs.yaml", sim.job_file()
    how, wait = event.facts["how"], event.facts["wait"]
    if how == "gone":
        path.unlink(missing_ok=True)
    else:
        path.write_text(text[: len(text) // 2] if how == "halves" else "{" + text)
    await asyncio.sleep(wait)
    sim.registered_anew()
    path.write_text(text)
    await asyncio.sleep(5.0)


@happens("hide")
async def hide(sim: "Simulation", event: Event, number: int) -> None:
    """Let a job be gone in the cloud for a while."""
    del number
    job = sim.truth.jobs[event.facts["which"] % len(sim.truth.jobs)]
    oracles = [sim.oracle, *([sim.neighbour.oracle] if sim.neighbour else [])]
    sim.cloud.hidden.add(job.name)
    for oracle in oracles:
        oracle.hides(job, sim.now())
    await asyncio.sleep(event.lasts)
    sim.cloud.hidden.discard(job.name)
    for oracle in oracles:
        oracle.tells_again(job, sim.now())


@happens("bug")
async def bug(sim: "Simulation", event: Event, number: int) -> None:
    """Let one call of a function of the exporter fail as nobody foresaw."""
    del number
    fail_once(event.facts["where"])
    sim.bugs += 1
    await asyncio.sleep(70.0)
