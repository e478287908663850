"""What tests of mirroring share: node processes that end with the test, a cluster, backup targets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from . import patience
from .cluster import Cluster
from .postgres_server import PostgresServer
from .target_place import Place


@pytest.fixture(autouse=True)
def patient() -> Iterator[None]:
    """Take no node for lost that only stands still for a while."""
    with pytest.MonkeyPatch.context() as patch:
        patience.apply(patch.setattr)
        yield


@pytest.fixture
def running() -> Iterator[ExitStack]:
    """What ends when the test does: see `processes.start`."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return Place(f"sqlite:///{tmp_path / 'backup.db'}")
    return Place(request.getfixturevalue("postgres").url())
