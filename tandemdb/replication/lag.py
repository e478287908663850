"""Lag: what a primary does with a commit when an asynchronous secondary that follows its log is too far behind.

    detach     goes on; the log is dropped at log_bytes_max, who lacked it gets blocks later: the default
    throttle   the commit waits until the secondary has caught up, as long as a commit waits at most
    reject     the commit fails with SecondaryBehind, and nothing has happened

Too far is more than `lag_bytes_max` of log, or a commit older than `lag_seconds_max`, that it has not applied. One that
is not linked, or that is given blocks at present, holds nobody up. In each case the primary's memory is bounded by
log_bytes_max and, while blocks are shipped, by the blocks that change meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandemdb.replication.core.messages import LSN
from tandemdb.replication.errors import SecondaryBehind

if TYPE_CHECKING:
    from tandemdb.replication.core.peer import Peer
    from tandemdb.replication.publisher import Publisher

PAUSE_SECONDS = 0.05


def settle(publisher: Publisher) -> None:
    """Let a commit that is about to be made pass, wait, or fail.

    Raises:
        SecondaryBehind: the policy is reject, and a secondary is too far behind.
    """
    limits = publisher.core.limits
    deadline = publisher.clock() + publisher.timeout_seconds
    while limits.on_lag != "detach":
        with publisher.lock:
            publisher.drain()
            behind = farthest(publisher)
        if behind is None:
            return
        if limits.on_lag == "reject":
            raise SecondaryBehind(
                "an asynchronous secondary is too far behind and commits are refused",
                detail=f"{behind.name} has applied LSN {behind.applied_lsn} of {publisher.core.log.last_lsn}.",
                hint="Wait and repeat the transaction, detach the secondary, or choose the policy detach or throttle.",
            )
        if publisher.clock() >= deadline:
            return
        if not publisher.links.pump_loose():
            publisher.pause(PAUSE_SECONDS)


def farthest(publisher: Publisher) -> Peer | None:
    """Find the secondary that is too far behind, the one that lacks most; the lock is held."""
    core, now = publisher.core, publisher.clock()
    limits, log = core.limits, core.log
    found: Peer | None = None
    for peer in core.peers.values():
        # "asking": its link stands, and something on it was lost; before its first plan it holds nothing yet.
        follows = peer.state == "following" or (peer.state == "asking" and bool(peer.plans))
        if peer.mode != "async" or not follows or peer.applied_lsn >= log.last_lsn:
            continue
        entry = log.find(LSN(peer.applied_lsn + 1))
        too_old = entry is not None and now - entry.time > limits.lag_seconds_max
        if log.bytes_after(peer.applied_lsn) > limits.lag_bytes_max or too_old:
            if found is None or peer.applied_lsn < found.applied_lsn:
                found = peer
    return found
