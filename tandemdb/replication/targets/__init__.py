"""Backup targets of other kinds: whatever can take rows and remember, in the same transaction, how far it has come.

    feed.py     which root the target holds, and who brings it to the next one: the committing thread or one beside
    target.py   what a target must be able to do; its position, and what may be said of one that has another

Nothing here knows how a target writes rows: those that speak SQL are made in `tandemdb.dbapi.targets`.
"""

from __future__ import annotations

from tandemdb.replication.targets.feed import Feed, feed_to
from tandemdb.replication.targets.target import (
    NotCommitted,
    Position,
    Superseded,
    Target,
    TargetLost,
    TargetRefused,
    claims_of,
)

__all__ = [
    "Feed", "NotCommitted", "Position", "Superseded", "Target", "TargetLost", "TargetRefused", "claims_of", "feed_to",
]  # fmt: skip
