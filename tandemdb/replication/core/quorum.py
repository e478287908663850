"""The quorum: which secondaries a synchronous commit counts on, and how many of them are to have it.

    in step       gets each commit as it is made
    has joined    was in step once and is not dismissed since: it is waited for, though it may be lost by now
    listed        named by a coordinator's record, where there is one: others are waited for besides, until they are
    dismissed     given up, until it is in step again: commits have fewer copies than they are meant to (exposed)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tandemdb.replication.core.limits import JOIN_COMMITS_MAX, Limits
from tandemdb.replication.core.messages import LSN
from tandemdb.replication.core.peer import Peer


class Quorum:
    """Of one primary, whose `peers` it looks at."""

    def __init__(self, peers: Mapping[str, Peer], limits: Limits) -> None:
        self.peers = peers
        self.limits = limits
        # Whether a coordinator's record says whose acknowledgements count.
        self.lists = False

    def synchronous(self) -> list[Peer]:
        return [peer for peer in self.peers.values() if peer.mode == "sync"]

    def has_synchronous(self) -> bool:
        for peer in self.peers.values():
            if peer.mode == "sync":
                return True
        return False

    def is_steady(self) -> bool:
        """Whether all synchronous secondaries are in step: then none is missing, and none about to join."""
        for peer in self.peers.values():
            if peer.state != "in step" and peer.mode == "sync":
                return False
        return True

    def missing(self) -> int:
        """Count how many secondaries in step a synchronous commit lacks; 0 means that it may go ahead."""
        if self.lists:
            return self.lacking({peer.name for peer in self.in_step()})
        missing = self.required()
        for peer in self.peers.values():
            if peer.mode == "sync" and peer.state == "in step":
                missing -= 1
        return max(0, missing)

    def required(self) -> int:
        """How many secondaries must have a commit before it is shown, of those that have not been dismissed."""
        joined = 0
        for peer in self.peers.values():
            if peer.has_joined and peer.mode == "sync":
                joined += 1
        return min(self.limits.required, joined)

    def is_joining(self, last_lsn: LSN) -> bool:
        """Whether a synchronous secondary lacks so little that it would be in step if no commit came for a moment."""
        for peer in self.peers.values():
            if peer.state == "following" and peer.mode == "sync":
                if last_lsn - peer.received_lsn <= JOIN_COMMITS_MAX:
                    return True
        return False

    def in_step(self) -> list[Peer]:
        return [peer for peer in self.synchronous() if peer.state == "in step"]

    def lost(self) -> list[Peer]:
        """The synchronous secondaries that commits count on and that are not in step."""
        return [peer for peer in self.synchronous() if peer.has_joined and peer.state != "in step"]

    def dismiss(self, peers: Sequence[Peer]) -> None:
        """Count on these secondaries no longer, until they are in step again."""
        for peer in peers:
            peer.has_joined = False
            peer.dismissed = True

    @property
    def is_exposed(self) -> bool:
        """Whether commits have fewer copies than they are meant to, for secondaries were dismissed."""
        synchronous = self.synchronous()
        wanted = min(self.limits.required, len(synchronous))
        return any(peer.dismissed for peer in synchronous) and self.required() < wanted

    def lacking(self, those: set[str]) -> int:
        """Count how many secondaries are wanted besides those named: `required` of the listed, and all others."""
        joined = [peer for peer in self.synchronous() if peer.has_joined]
        listed = [peer for peer in joined if peer.listed]
        wanted = min(self.limits.required, len(listed)) - sum(peer.name in those for peer in listed)
        return max(0, wanted) + sum(not peer.listed and peer.name not in those for peer in joined)
