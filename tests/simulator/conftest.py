"""A simulator in this process, with a clock of ours, and every answer held to the description."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from simulator import description, seed
from simulator.app import Simulator
from simulator.faults import Behaviour
from simulator.world import World
from tests.simulator.service import Client, Service


@pytest.fixture
def behaviour() -> Behaviour:
    """Reads at once, and no answer lost, where a test is about something else."""
    return Behaviour(read_lag_s=0, lost_answers=0)


@pytest.fixture(scope="session")
def described() -> description.Description:
    found = description.load()
    assert found, "The API's description is missing: run scripts/install-youtube-description."
    return found


@pytest.fixture
def service(behaviour: Behaviour, described: description.Description) -> Iterator[Service]:
    clock = [datetime(2026, 7, 1, 12, tzinfo=UTC)]
    world = World(seed=7, behaviour=behaviour, now=lambda: clock[0])
    seed.fill(world)
    simulator = Simulator(world, description=described)
    yield Service(simulator, world, clock)
    assert simulator.api.wrong_answers == []


@pytest.fixture
async def client(service: Service) -> Client:
    """Of Harbour Radio."""
    return await service.sign_in()
