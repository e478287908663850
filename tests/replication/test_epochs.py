"""Epochs: what belongs to one that is over is refused in the data path, whoever sends it."""

from __future__ import annotations

import pytest

from tandemdb import replication
from tandemdb.replication.core.messages import LSN, Epoch, Frame, Heartbeat, LogRun, Refuse, TxnLog
from tandemdb.storage import Database, ReadOnly

from .workload import make_table, put


def test_a_primary_that_was_away_learns_of_its_end_by_its_first_commit() -> None:
    primary, secondary = Database("p"), Database("s")
    table_id = make_table(primary, 5)
    replica = replication.attach(primary, secondary)
    replica.link.is_cut = True  # neither side is told
    replication.promote(secondary)
    put(secondary, table_id, 100, "of the new epoch")
    digest, before = secondary.digest(), primary.digest()
    replica.link.is_cut = False
    with pytest.raises(replication.PrimaryFenced, match="no longer the primary"):
        put(primary, table_id, 100, "of the old epoch")
    assert secondary.digest() == digest
    assert primary.digest() == before
    with pytest.raises(ReadOnly):
        primary.begin()


def test_an_asynchronous_primary_that_was_away_is_fenced_and_hands_its_commits_back() -> None:
    primary, secondary = Database("p"), Database("s")
    table_id = make_table(primary, 500)
    replica = replication.attach(primary, secondary, "async")
    replication.wait_for(secondary, 1)
    replica.link.is_cut = True
    replication.promote(secondary)
    put(secondary, table_id, 2, "of the new epoch")
    for key in (1, 2, 3):
        put(primary, table_id, key, "orphan")
    digest = secondary.digest()
    replica.link.is_cut = False
    replica.link.pump()
    assert secondary.digest() == digest
    assert primary.read_only is not None
    replication.attach(secondary, primary)
    assert primary.digest() == secondary.digest() == digest
    assert [orphan.lsn for orphan in replication.orphans(primary)] == [2, 3, 4]


def test_frames_of_an_older_epoch_change_nothing() -> None:
    first, second, third = Database("a"), Database("b"), Database("c")
    table_id = make_table(first, 5)
    replication.attach(first, second)
    replication.promote(second)
    replica = replication.attach(second, third)
    core = replica.link.secondary
    assert core.identity.epoch == third.root.epoch == 2
    digest, lsn = third.digest(), third.root.lsn
    changes = ((2, table_id, 0, 1, (1, "forged", None)),)
    for message in (
        TxnLog((LogRun(LSN(lsn + 1), 1, changes, (1,), None, 0.0),), LSN(lsn + 1)),
        Heartbeat(LSN(lsn + 1), LSN(lsn + 1), None, True),
    ):
        refused = core.refused_frames
        core.receive(Frame(core.session, Epoch(1), core._expected, message), 0.0)
        assert core.refused_frames == refused + 1
        answer = core.outgoing.pop()
        assert answer.epoch == 2 and isinstance(answer.message, Refuse)
    assert (third.digest(), third.root.lsn) == (digest, lsn)
    put(second, table_id, 9, "goes on")
    assert third.digest() == second.digest()


def test_whoever_is_still_linked_to_what_a_primary_was_before_it_followed_does_not_end_its_new_time() -> None:
    first, second, third = Database("a"), Database("b"), Database("c")
    table_id = make_table(first, 5)
    replication.attach(first, second)
    stale = replication.attach(first, third)
    stale.link.is_cut = True  # Its process stands still.
    replication.promote(second)
    replication.attach(second, first)
    replication.promote(first)
    stale.link.heal()
    put(first, table_id, 1, "of the third epoch")
    assert first.read_only is None


def test_promotion_twice_and_of_no_secondary() -> None:
    primary, secondary = Database("p"), Database("s")
    with pytest.raises(replication.ReplicationError, match="not a secondary"):
        replication.promote(secondary)
    make_table(primary, 5)
    replication.attach(primary, secondary)
    replication.promote(secondary)
    with pytest.raises(replication.ReplicationError, match="not a secondary"):
        replication.promote(secondary)


def test_leadership_goes_back_and_forth() -> None:
    one, other = Database("a"), Database("b")
    table_id = make_table(one, 300)
    for round_ in range(6):
        replication.attach(one, other)
        put(one, table_id, round_ + 1, f"round {round_}")
        report = replication.promote(other)
        assert report.epoch == round_ + 2
        assert report.commits_missing == 0
        one, other = other, one
    assert one.root.epoch == 7
    assert [one.root.tables[table_id].find(key) for key in range(1, 7)] == [
        (key, f"round {key - 1}", None) for key in range(1, 7)
    ]


def test_a_detached_secondary_stays_as_it_is_until_promoted_or_attached_again() -> None:
    primary, secondary = Database("p"), Database("s")
    table_id = make_table(primary, 300)
    replication.attach(primary, secondary).detach()
    lsn, digest = primary.root.lsn, primary.digest()
    put(primary, table_id, 1, "later")
    assert (secondary.root.lsn, secondary.digest()) == (lsn, digest)
    with pytest.raises(ReadOnly):
        secondary.begin()
    again = replication.attach(primary, secondary)
    assert secondary.digest() == primary.digest()
    again.detach()
    report = replication.promote(secondary)
    assert (report.epoch, report.was) == (2, "detached")
    put(secondary, table_id, 2, "on its own")


def test_attaching_while_a_transaction_is_open_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandemdb.replication.core.blocks.APPLY_TIMEOUT_SECONDS", 0.01)
    primary, secondary = Database("p"), Database("s")
    make_table(primary, 5)
    transaction = primary.begin()
    with pytest.raises(replication.ReplicationError, match="database is locked"):
        replication.attach(primary, secondary)
    transaction.rollback()
    assert secondary.read_only is None
    replication.attach(primary, secondary)
    assert secondary.digest() == primary.digest()
