"""Faults: whatever a link does to frames, nothing acknowledged is lost, nothing half-applied seen, and all heals."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tandemdb import replication
from tandemdb.replication import Faults
from tandemdb.storage import Database
from tandemdb.testing import VirtualClock

from .workload import Workload

ADVERSARIES = st.builds(
    Faults,
    seed=st.integers(0, 1 << 32),
    drop=st.sampled_from([0.0, 0.05, 0.3]),
    duplicate=st.sampled_from([0.0, 0.2]),
    reorder=st.sampled_from([0.0, 0.2]),
    delay_seconds=st.sampled_from([0.0, 0.01, 0.5]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    faults=ADVERSARIES,
    seed=st.integers(0, 1 << 16),
    mode=st.sampled_from(["sync", "async"]),
    log_bytes_max=st.sampled_from([1 << 26, 4000]),
)
def test_any_adversary_heals(faults: Faults, seed: int, mode: str, log_bytes_max: int) -> None:
    clock = VirtualClock()
    primary, secondary = Database("p"), Database("s")
    workload, random = Workload(seed), Random(seed)
    workload.transaction(primary)
    replica = replication.attach(primary, secondary, mode, clock=clock, pause=clock.pause, log_bytes_max=log_bytes_max)
    settle(primary, secondary, replica, clock)
    replica.set_faults(faults)
    digests = {primary.root.lsn: primary.digest()}
    for _ in range(25):
        try:
            workload.transaction(primary, 8)
        except (replication.CommitInDoubt, replication.SecondaryLost):
            clock.pause(0.3)
        digests[primary.root.lsn] = primary.digest()
        if mode == "async":
            clock.pause(random.random() * 0.2)
            replica.link.pump()
        if random.random() < 0.05:
            replica.cut()
        if replica.link.is_cut and random.random() < 0.5:
            replica.heal()
        # What readers of the secondary see is always a commit of the primary, whole, and never one ahead of it.
        assert secondary.root.lsn <= primary.root.lsn
        assert secondary.digest() == digests[secondary.root.lsn]
        if mode == "sync":
            assert replica.link.secondary.received_lsn >= primary.root.lsn
    replica.set_faults(None)
    if replica.link.is_cut:
        replica.heal()
    settle(primary, secondary, replica, clock)
    assert secondary.digest() == primary.digest()
    if mode == "sync":
        assert workload_goes_on(primary, workload)
        assert secondary.digest() == primary.digest()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(faults=ADVERSARIES, seed=st.integers(0, 1 << 16))
def test_promotion_at_any_point_keeps_every_acknowledged_commit(faults: Faults, seed: int) -> None:
    clock = VirtualClock()
    primary, secondary = Database("p"), Database("s")
    workload = Workload(seed)
    workload.transaction(primary)
    replica = replication.attach(primary, secondary, "sync", clock=clock, pause=clock.pause)
    replica.set_faults(faults)
    doubtful = None
    for _ in range(Random(seed).randrange(1, 15)):
        acknowledged, digest = primary.root.lsn, primary.digest()
        try:
            workload.transaction(primary, 8)
        except replication.CommitInDoubt:
            doubtful = acknowledged + 1
            break
        except replication.SecondaryLost:
            clock.pause(0.3)
    acknowledged, digest = primary.root.lsn, primary.digest()
    replica.link.is_cut = True  # the primary is gone: it neither sends nor learns anything from here on
    report = replica.promote()
    if doubtful is not None and report.lsn == doubtful:
        return
    assert report.lsn == acknowledged
    assert secondary.digest() == digest
    Workload(seed + 1).transaction(secondary)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(faults=ADVERSARIES, seed=st.integers(0, 1 << 16), required=st.sampled_from([1, 2]), over_wire=st.booleans())
def test_two_secondaries_under_faults(faults: Faults, seed: int, required: int, over_wire: bool) -> None:
    clock = VirtualClock()
    primary, secondaries = Database("p"), [Database("a"), Database("b")]
    workload, random = Workload(seed), Random(seed)
    workload.transaction(primary)
    replicas = [
        replication.attach(primary, each, clock=clock, pause=clock.pause, required=required, over_wire=over_wire)
        for each in secondaries
    ]
    for number, replica in enumerate(replicas):
        replica.set_faults(Faults(**{**vars(faults), "seed": faults.seed + number}))
    for _ in range(15):
        try:
            workload.transaction(primary, 8)
        except (replication.CommitInDoubt, replication.SecondaryLost):
            clock.pause(0.3)
        replica = random.choice(replicas)
        if random.random() < 0.1:
            replica.cut()
        if replica.link.is_cut and random.random() < 0.5:
            replica.heal()
        having = [replica.link.secondary.received_lsn >= primary.root.lsn for replica in replicas]
        assert sum(having) >= required
    for replica in replicas:
        replica.set_faults(None)
        if replica.link.is_cut:
            replica.heal()
    for each, replica in zip(secondaries, replicas, strict=True):
        settle(primary, each, replica, clock)
        assert each.digest() == primary.digest()


@pytest.mark.parametrize("frames", range(0, 14))
def test_the_primary_lost_after_any_number_of_frames(frames: int) -> None:
    clock = VirtualClock()
    primary, secondary = Database("p"), Database("s")
    workload = Workload(3)
    while len(primary.root.tables) < 4:
        workload.transaction(primary)
    replica = replication.attach(primary, secondary, "sync", clock=clock, pause=clock.pause)
    before = primary.digest()
    link = replica.link
    deliver, budget = link.publisher.next_frame, [frames]

    def next_frame(name: str) -> object:
        if budget[0] == 0:
            link.is_cut = True
            return None
        budget[0] -= 1
        return deliver(name)

    link.publisher.next_frame = next_frame  # type: ignore[method-assign, assignment]
    transaction = primary.begin()
    in_doubt = committed = False
    try:
        for _ in range(4):
            workload.change(transaction)
        transaction.commit()
        committed = True
    except replication.CommitInDoubt:
        in_doubt = True
    except replication.SecondaryLost:
        pass
    transaction.rollback()
    after = primary.digest()
    report = replica.promote()
    if committed:
        assert report.digest == after
    elif not in_doubt:
        assert report.digest == before


def settle(primary: Database, secondary: Database, replica: replication.Replica, clock: VirtualClock) -> None:
    """Let virtual time pass until the secondary is level: within a bound, or it is stuck."""
    for _ in range(2000):
        moved = replica.link.pump()
        status = replica.status
        if status.lag_commits == 0 and status.state in ("in step", "following") and not replica.link.due_at():
            if secondary.root.lsn == primary.root.lsn and (status.mode == "async" or status.state == "in step"):
                return
        if not moved:
            clock.pause(0.05)
    raise AssertionError(f"not level after 100 s of virtual time: {replica.status} {replica.link.secondary.reason}")


def workload_goes_on(primary: Database, workload: Workload) -> bool:
    before = primary.root.lsn
    for _ in range(20):
        workload.transaction(primary, 6)
    return primary.root.lsn > before
