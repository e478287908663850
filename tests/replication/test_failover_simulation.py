"""Simulated failovers: a coordinator that is slow or gone, processes that stand still; and what breaks is found."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from tandemdb.replication.coordination import Record, keeper, standing
from tandemdb.replication.coordination.authority import Authority
from tandemdb.replication.coordination.keeper import Keeper
from tandemdb.replication.coordination.standing import Count
from tandemdb.replication.node import Node
from tandemdb.storage import Database
from tandemdb.testing import InvariantBroken, simulate_failover
from tandemdb.testing.__main__ import main

SEEDS = 200
SLICE = 25
FOUND_WITHIN = 100


@pytest.mark.parametrize("first", range(0, SEEDS, SLICE))
def test_every_promise_holds(first: int) -> None:
    for seed in range(first, first + SLICE):
        assert simulate_failover(seed).acknowledged


def test_a_seed_repeats_itself() -> None:
    first, second = simulate_failover(3), simulate_failover(3)
    assert first.history == second.history
    assert first == second
    assert simulate_failover(4).history != first.history


def test_runs_differ_and_cover_what_may_happen() -> None:
    events: set[str] = set()
    for seed in range(20):
        events |= simulate_failover(seed).events.keys()
    assert events >= {
        "committed",
        "in doubt",
        "refused",
        "stopped",
        "apart",
        "line",
        "trouble",
        "restarted",
        "promoted",
        "handed over",
        "wiped",
    }


def count_whoever_is_ahead(*arguments: Any) -> Count:
    counted = standing.count(*arguments)
    return counted._replace(reason="") if "is ahead" in counted.reason else counted


def follow_member(self: Node, *arguments: Any, anew: bool, follow: Any = Node.follow_member, **options: Any) -> None:
    follow(self, *arguments, anew=False, **options)


SABOTAGE: dict[str, tuple[Any, str, Any, int]] = {
    # What it replaces, and a seed not far before one that finds it.
    "a primary never takes its lease for lapsed": (Authority, "holds", property(lambda self: True), 0),
    "a lease counts from when it was granted, for all its time": (
        Authority,
        "extend",
        lambda self, asked_at, lease: setattr(self, "until", max(self.until, self.clock() + lease.seconds)),
        10,
    ),
    "whoever bears a member's name may be promoted": (
        Record,
        "names",
        lambda self, member: any(each.node == member.node for each in self.sync_set),
        0,
    ),
    "nobody else is heard": (Record, "must_be_heard", property(lambda self: 1), 140),
    "whoever stands leads, however far behind": (keeper, "count", count_whoever_is_ahead, 20),
    "who is lost is struck off for the primary alone": (Keeper, "strike_off", lambda self, publisher, lost: True, 10),
    "whoever is named takes office without its heirs": (
        Keeper,
        "_enter_office",
        lambda self, record: self._take_office(),
        60,
    ),
    "who did not lead writes the record that was wiped": (Keeper, "_part", "none", 10),
    "a link from an earlier epoch is kept": (Node, "follow_member", follow_member, 100),
}


@pytest.mark.parametrize("what", SABOTAGE)
def test_what_breaks_a_promise_is_found(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, replacement, first = SABOTAGE[what]
    monkeypatch.setattr(owner, name, replacement)
    with pytest.raises(InvariantBroken, match=r"replay: python -m tandemdb.testing --failover --seed \d+"):
        for seed in range(first, first + FOUND_WITHIN):
            simulate_failover(seed)


def test_the_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["--failover", "--seeds", "0:3"]) == 0
    assert "3 seeds, every promise held" in capsys.readouterr().out
    assert main(["--failover", "--seed", "1", "--history"]) == 0
    assert "follows: b" in capsys.readouterr().out
    monkeypatch.setattr(Authority, "holds", property(lambda self: True))
    assert main(["--failover", "--seeds", "0:60"]) == 1
    assert "replay: python -m tandemdb.testing --failover --seed" in capsys.readouterr().out


def test_a_run_leaves_nothing_behind() -> None:
    simulate_failover(1)
    gc.collect()
    before = sum(isinstance(one, Database) for one in gc.get_objects())
    for seed in range(2, 5):
        simulate_failover(seed)
    gc.collect()
    assert sum(isinstance(one, Database) for one in gc.get_objects()) <= before
