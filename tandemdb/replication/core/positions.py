"""How a primary answers a secondary that tells where it stands.

    POSITION ---> refuse    another cluster's data, or data where this primary has none        REFUSE
             ---> follow    the log reaches back to it                                         PLAN, then the log
             ---> ship      blocks changed since, where its root is known here; else all       PLAN, then images
             ---> walk      its root is not known: digests tell which blocks differ            DIGEST_REQUEST,
                            then as above                                                      in turn

`catch_up.decide` tells which, without regard to what waits: what the secondary holds complete and unseen is settled
before, by what became of it here.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from tandemdb.replication.core import blocks
from tandemdb.replication.core.catch_up import DigestWalk, decide, images, prefer_snapshot
from tandemdb.replication.core.messages import (
    KEEP_ALL,
    LSN,
    BlockDigests,
    Plan,
    Position,
    Refuse,
    TableDigests,
)
from tandemdb.replication.core.peer import Peer
from tandemdb.replication.core.remains import lacking

if TYPE_CHECKING:
    from tandemdb.replication.core.primary import Primary
    from tandemdb.storage import Root


def answer_position(primary: Primary, peer: Peer, position: Position) -> None:
    """Decide by what a secondary is brought up to date, and begin with it."""
    if peer.incarnation and peer.incarnation != position.incarnation:
        peer.listed = not primary.quorum.lists
    peer.node, peer.incarnation, peer.address = position.node, position.incarnation, position.address
    peer.held = position.held
    if primary.fenced_by is not None:
        return
    if position.cluster and position.cluster != primary.identity.cluster:
        refuse(primary, peer, "cluster", "the secondary holds another cluster's data")
        return
    if position.blocks and position.lsn > 0 and blocks.block_count(primary.root) == 0:
        refuse(primary, peer, "amnesia", "an empty primary does not overwrite a secondary that holds data")
        return
    position, kept = settle_pending(primary, position)
    decision = decide(position, primary.identity.history, primary.log, primary.marks, primary.root, peer.is_doubted)
    if kept > position.lsn:
        # Its acknowledgement was lost; that it still holds the transactions says the same.
        primary.note_acknowledged(peer, kept, primary.transaction)
        if decision.kind != "tail":
            # Blocks would take from it what it has just vouched for. It asks again; by then the commits stand.
            peer.state = "asking"
            return
    peer.reason = decision.reason
    if decision.kind == "walk":
        walk = primary.walks[peer.name] = DigestWalk(primary.root)
        peer.state = "walking"
        peer.queue.extend(walk.start(position.root, blocks.root_digest(primary.root)))
        finish_walk(primary, peer)
    elif decision.kind == "tail":
        follow(primary, peer, decision.lsn, kept)
    else:
        ship(primary, peer, primary.root, decision.blocks if decision.kind == "blocks" else None)


def refuse(primary: Primary, peer: Peer, code: str, reason: str) -> None:
    peer.state = "refused"
    peer.reason = reason
    peer.queue.append(Refuse(code, primary.identity.epoch, reason))


def settle_pending(primary: Primary, position: Position) -> tuple[Position, LSN]:
    """Decide about the transactions that the secondary holds complete but unseen.

    Returns where it stands with those installed here that are, and up to which LSN it holds those pending here.
    """
    held = deque(position.pending)
    while held and primary.number_at(lsn := LSN(position.lsn + 1)) == held[0]:
        # Its digest after that commit is ours of then: both made the same changes to the same blocks.
        entry = primary.log.find(lsn)
        root = entry.root if entry is not None else None
        position = position._replace(lsn=lsn, transaction=held.popleft(), root=root)
    kept = position.lsn
    if kept == primary.log.last_lsn:
        for number, pending in zip(held, primary.pending, strict=False):
            if number != pending.transaction:
                break
            kept = pending.lsn
    return position, kept


def follow(primary: Primary, peer: Peer, lsn: LSN, kept: LSN) -> None:
    peer.queue.append(plan_message(primary, "tail", lsn, lsn, kept, peer.reason, 0))
    peer.note_plan("tail")
    peer.state = "following"
    peer.sent_lsn = peer.received_lsn = kept
    peer.applied_lsn = lsn
    peer.pending_lsn = kept if kept > lsn else LSN(0)
    primary.join(peer)


def tell_history(primary: Primary, peer: Peer) -> None:
    """Tell a secondary that follows of an epoch that has begun meanwhile; it goes on where it is."""
    stable = primary.log.last_lsn
    peer.queue.append(plan_message(primary, "tail", peer.sent_lsn, stable, KEEP_ALL, "an epoch has begun", 0))


def plan_message(
    primary: Primary, kind: str, lsn: LSN, stable: LSN, kept: LSN, reason: str, count: int, resumes: bool = False
) -> Plan:
    identity = primary.identity
    history = tuple(identity.history)
    return Plan(kind, identity.cluster, history, lsn, primary.log.last_lsn, stable, kept, reason, count, resumes)


def ship(primary: Primary, peer: Peer, root: Root, wanted: dict[int, list[int]] | None, compared: bool = False) -> None:
    kind = "blocks"
    resumes = False
    if wanted is None or prefer_snapshot(root, wanted):
        kind, wanted = "snapshot", lacking(root, peer.held, primary.marks)
        resumes = wanted is not None
    if compared or kind == "snapshot":
        peer.is_doubted = False
    count = blocks.block_count(root) if wanted is None else sum(map(len, wanted.values()))
    # What it holds pending stays until the blocks are in: its promotion meanwhile must not lose that.
    peer.queue.append(plan_message(primary, kind, LSN(root.lsn), LSN(0), KEEP_ALL, peer.reason, count, resumes))
    peer.note_plan(kind)
    peer.state = "copying"
    peer.pending_lsn = LSN(0)
    peer.received_lsn = peer.applied_lsn = LSN(0)
    peer.blocks_planned, peer.blocks_sent = count, 0
    lsn = LSN(root.lsn)
    # A secondary that is not to be checked at each commit need not make either side hash all that it holds.
    digest = blocks.root_digest(root) if compared or primary.digest_due(lsn) else blocks.known_digest(root)
    peer.images = images(root, transaction_at(primary, lsn), digest, wanted, primary.identity.outcomes.up_to(lsn))


def transaction_at(primary: Primary, lsn: LSN) -> int:
    entry = primary.log.find(lsn)
    return entry.transaction if entry is not None else 0


def take_digests(primary: Primary, peer: Peer, message: TableDigests | BlockDigests) -> None:
    """Go on comparing digests, if that is what the secondary does."""
    walk = primary.walks.get(peer.name)
    if walk is None:
        return
    if isinstance(message, TableDigests):
        peer.queue.extend(walk.take_tables(message))
    else:
        walk.take_blocks(message)
    finish_walk(primary, peer)


def finish_walk(primary: Primary, peer: Peer) -> None:
    walk = primary.walks.get(peer.name)
    if walk is not None and walk.done:
        del primary.walks[peer.name]
        ship(primary, peer, walk.root, walk.differing, compared=True)
