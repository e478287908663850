"""How far a secondary has come, as its primary knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tandemdb.replication.core.messages import LSN
from tandemdb.replication.core.peer import Mode

if TYPE_CHECKING:
    from tandemdb.replication.core.log import ChangeLog
    from tandemdb.replication.core.peer import Peer


class SecondaryStatus(NamedTuple):
    """How far a secondary has come; `lag_seconds` is the age of the oldest commit it lacks, 0.0 if it lacks none."""

    name: str
    mode: Mode
    state: str
    applied: LSN
    lag_commits: int
    lag_bytes: int
    lag_seconds: float
    blocks_shipped: int
    blocks_planned: int
    plans: tuple[str, ...]
    reason: str
    # Of a transfer that is going on: how many of `blocks_planned` are on their way.
    blocks_sent: int = 0


def status_of(peer: Peer, log: ChangeLog, now: float) -> SecondaryStatus:
    """Tell how far a secondary is behind the log of its primary."""
    last = log.last_lsn
    applied = LSN(min(peer.applied_lsn, last))
    missing = log.find(LSN(applied + 1)) if applied < last else None
    lacking_since = peer.added_at
    if missing is not None and missing.time:  # Of the commit that the log began with it is not known.
        lacking_since = missing.time
    return SecondaryStatus(
        peer.name,
        peer.mode,
        peer.state,
        applied,
        last - applied,
        log.bytes_after(applied) if applied < last else 0,
        max(0.0, now - lacking_since) if applied < last else 0.0,
        peer.blocks_shipped,
        peer.blocks_planned,
        tuple(peer.plans),
        peer.reason,
        peer.blocks_sent,
    )
