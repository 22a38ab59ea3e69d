"""What a reload may change: all settings but those that only a restart changes."""

import asyncio
from typing import Any

import pytest

from exporter.clock import SystemClock
from exporter.config import Settings, load
from exporter.metrics.telemetry import Telemetry
from exporter.model.changes import Changes
from exporter.model.errors import SettingsError
from exporter.reload import Reloader

RESTARTS: dict[str, dict[str, Any]] = {
    "web.listen_address": {"web": {"listen_address": "127.0.0.1:1"}},
    "web.systemd_socket": {"web": {"systemd_socket": True}},
    "journal": {"journal": "/var/lib/exporter/journal"},
    "metrics.labels": {"metrics": {"labels": {"service": "cloud_service"}}},
}


def settings_of(**sections: Any) -> Settings:
    project = {"region": "eu-de", "project_id": "1", "credentials": {"token": "t"}}
    return load(None, {}, {"projects": {"prod": project}, **sections}, jobs_needed=False)


def reloaded(settings: Settings) -> list[Settings]:
    """Return what is taken over of *settings* by an exporter that was started with the defaults."""
    taken: list[Settings] = []

    async def take(settings: Settings) -> Changes:
        taken.append(settings)
        return Changes()

    reloader = Reloader(settings_of(), lambda: settings, take, SystemClock(), Telemetry())
    try:
        asyncio.run(reloader.reload())
    except SettingsError:
        assert not taken
        raise
    return taken


@pytest.mark.parametrize("name", RESTARTS)
def test_a_reload_with_another_value_of_what_only_a_restart_changes_is_refused_whole(name: str) -> None:
    with pytest.raises(SettingsError) as refused:
        reloaded(settings_of(**RESTARTS[name], poll={"interval": "77s"}))

    assert refused.value.mistakes == (f"{name}: another value needs a restart",)


def test_a_reload_takes_over_what_needs_no_restart() -> None:
    (taken,) = reloaded(settings_of(poll={"interval": "77s"}))

    assert taken.poll.interval == 77
