"""Simulated clusters: every promise of mirroring holds under any seed, and what breaks one is found."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest

from tandemdb.replication.core import blocks
from tandemdb.replication.core.primary import Primary
from tandemdb.replication.core.secondary import Secondary
from tandemdb.storage import Database
from tandemdb.testing import InvariantBroken, simulate
from tandemdb.testing.__main__ import main

SEEDS = 200
SLICE = 25


@pytest.mark.parametrize("first", range(0, SEEDS, SLICE))
def test_every_promise_holds(first: int) -> None:
    for seed in range(first, first + SLICE):
        report = simulate(seed)
        assert report.acknowledged or report.lost_asynchronously


@pytest.mark.parametrize("seed", [6, 15, 35, 825])  # Each found a fault once.
def test_seeds_that_found_something(seed: int) -> None:
    simulate(seed)


def test_a_seed_repeats_itself() -> None:
    first, second = simulate(3), simulate(3)
    assert first.history == second.history
    assert first == second
    assert simulate(4).history != first.history


def test_runs_differ_and_cover_what_may_happen() -> None:
    events: set[str] = set()
    for seed in range(20):
        events |= simulate(seed).events.keys()
    wanted = {"committed", "in doubt", "refused", "cut", "healed", "restarted", "detached", "failed over", "damaged"}
    assert events >= wanted


SABOTAGE: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "commits do not wait for anybody": (Primary, "released", lambda self, pending: True),
    "a standby shows what is not stable": (
        Secondary,
        "_hold",
        lambda self, overlay, lsn, root, now, hold=Secondary._hold: (
            hold(self, overlay, lsn, root, now),
            self._stabilize(lsn),
        ),
    ),
    "a standby applies half": (
        Secondary,
        "_take_whole",
        lambda self, message, now, take=Secondary._take_whole: take(
            self, message._replace(changes=message.changes[:-1], root=None), now
        ),
    ),
    "what builds on an abandoned commit stays": (Database, "abandon_pending", lambda self, newest=None: None),
    "a former primary goes on": (Primary, "fence", lambda self, epoch: None),
    "a damaged standby trusts what it has kept": (blocks, "trust_records", lambda root: None),
    "promotion forgets what is pending": (
        Secondary,
        "promote",
        lambda self, epoch, promote=Secondary.promote: (self.unseen.drop(), promote(self, epoch))[1],
    ),
}


@pytest.mark.parametrize("what", SABOTAGE)
def test_what_breaks_a_promise_is_found(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, replacement = SABOTAGE[what]
    monkeypatch.setattr(owner, name, replacement)
    if name == "_take_whole":
        from tandemdb.replication.core import secondary
        from tandemdb.replication.core.messages import TxnWhole

        monkeypatch.setitem(secondary.TAKES, TxnWhole, replacement)
    with pytest.raises(InvariantBroken, match=r"replay: python -m tandemdb.testing --seed \d+"):
        for seed in range(100):
            simulate(seed)


def test_the_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["--seeds", "0:3"]) == 0
    assert "3 seeds, every promise held" in capsys.readouterr().out
    assert main(["--seed", "1", "--history"]) == 0
    assert "attached: b" in capsys.readouterr().out
    monkeypatch.setattr(Primary, "released", lambda self, pending: True)
    assert main(["--seeds", "0:60"]) == 1
    assert "replay: python -m tandemdb.testing --seed" in capsys.readouterr().out


def test_a_run_leaves_nothing_behind() -> None:
    simulate(1)
    gc.collect()
    before = sum(isinstance(one, Database) for one in gc.get_objects())
    for seed in range(2, 5):
        simulate(seed)
    gc.collect()
    assert sum(isinstance(one, Database) for one in gc.get_objects()) <= before
