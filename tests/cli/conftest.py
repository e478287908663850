"""Puts the driver under the commands: tandemdb, and sqlite3 as the oracle of what they print."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tandemdb.cli import engine, main


class Outcome(NamedTuple):
    """What a command left: exit status, standard output, standard error."""

    status: int
    out: str
    err: str


Command = Callable[..., Outcome]


def open_sqlite(name: str) -> Any:
    return sqlite3.connect(":memory:", isolation_level=None)


@pytest.fixture(params=["tandemdb", "sqlite3"])
def command(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run a command in this process, on tandemdb and on sqlite3: both must pass the same test."""
    if request.param == "sqlite3":
        monkeypatch.setattr(engine, "connect", open_sqlite)
    return caller(capsys)


@pytest.fixture
def tandem_command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process, on tandemdb only: for what sqlite3 does not have."""
    return caller(capsys)


def caller(capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*arguments: str | Path) -> Outcome:
        status = main(list(map(str, arguments)))
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return call
