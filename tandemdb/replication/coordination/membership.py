"""Membership: whom the record is to name as holding every acknowledged commit. Functions of their arguments, no I/O.

    joins    in step, with all from before it was waited for: so it has all there is, and will have
    stays    named and away, while nobody else could take its place                  it is an heir as good as it was
    leaves   restarted: another incarnation is in step under its name
             away, while others hold all that is committed                           promotion need not hear it then
             struck off, for commits are to go on without it                         and then it lacks some

That those who stay hold everything is what makes leaving safe: each has received the last commit that was installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tandemdb.replication.coordination.record import Member, Record

if TYPE_CHECKING:
    from tandemdb.replication.core.peer import Peer
    from tandemdb.replication.publisher import Publisher


class Membership(NamedTuple):
    """What a primary knows of its synchronous secondaries: those that commits count on."""

    in_step: tuple[Member, ...]
    complete: frozenset[str]  # nodes in step that lack nothing from before they were waited for
    level: frozenset[str]  # nodes in step that have received every commit that is installed, or may be at any moment
    away: frozenset[str]  # counted on, and not in step
    names: dict[str, str]  # secondary -> node

    @classmethod
    def of(cls, publisher: Publisher | None) -> Membership:
        if publisher is None:
            return cls((), frozenset(), frozenset(), frozenset(), {})
        with publisher.lock:
            core = publisher.core
            installed, pending = core.root.lsn, list(core.pending)
            peers = [peer for peer in core.quorum.in_step() if peer.has_joined]
            return cls(
                tuple(Member(peer.node, peer.incarnation.hex(), peer.address) for peer in peers),
                frozenset(peer.node for peer in peers if peer.received_lsn >= peer.joined_lsn),
                frozenset(
                    peer.node
                    for peer in peers
                    if peer.received_lsn >= installed and all(peer.name in each.acknowledged for each in pending)
                ),
                frozenset(peer.node for peer in core.quorum.lost()),
                {peer.name: peer.node for peer in core.peers.values()},
            )


def members_now(record: Record, found: Membership) -> tuple[Member, ...]:
    """Return the sync_set that is to be: who is in step joins, who is away leaves if the others can do without."""
    kept = []
    for member in record.sync_set:
        now = next((each for each in found.in_step if each.node == member.node), None)
        if now is None and not can_do_without(record, found):
            kept.append(member)
        elif now is not None and now.is_same(member):
            kept.append(now)
    known = {member.node for member in kept}
    return (*kept, *[each for each in found.in_step if each.node not in known and each.node in found.complete])


def can_do_without(record: Record, found: Membership) -> bool:
    """Tell whether those in step are enough, and hold all that is committed."""
    members = {member.node for member in found.in_step}
    return bool(members) and members <= found.level and len(members) >= record.copies


def is_enough_meanwhile(record: Record, members: tuple[Member, ...], found: Membership) -> bool:
    """Tell whether commits may go on without those who leave before the record is changed.

    They may if enough of those that it names now stay and are in step: whichever of both records is in force when this
    primary dies, it names who has them.
    """
    in_step = {member.node for member in found.in_step}
    stay = sum(member.node in in_step and record.names(member) for member in members)
    return stay >= record.copies


def is_enough_without(record: Record, found: Membership) -> bool:
    """Tell whether those named and in step are as many as commits want, so that none else need be waited for."""
    return sum(record.names(member) for member in found.in_step) >= record.required


def members_after_loss(record: Record, found: Membership, lost: list[str]) -> tuple[Member, ...] | None:
    """Return the sync_set without those lost (names of secondaries); None if the others do not hold everything."""
    gone = {found.names.get(name, name) for name in lost}
    stay = tuple(member for member in found.in_step if member.node not in gone)
    if any(member.node not in found.level for member in stay):
        return None
    return stay


def heirs_of(record: Record, found: Membership, successor: Member) -> tuple[Member, ...]:
    """Return the secondaries that hold all that a successor holds when this primary hands its place over."""
    level = tuple(member for member in found.in_step if member.node in found.level)
    return tuple(each for each in record.sync_set if is_among(each, level) and not each.is_same(successor))


def heirs_in_step(record: Record, found: Membership) -> tuple[Member, ...]:
    """Return those named who are in step with the one that is to lead, and so will hold what it commits."""
    complete = tuple(member for member in found.in_step if member.node in found.complete)
    return tuple(each for each in record.sync_set if is_among(each, complete))


def unlist(publisher: Publisher, members: tuple[Member, ...]) -> None:
    """Before the record is changed: let acknowledgements of those who will not be named count no more."""
    with publisher.lock:
        for peer in publisher.core.peers.values():
            peer.listed = peer.listed and is_named(peer, members)


def enlist(publisher: Publisher, members: tuple[Member, ...]) -> None:
    """After it was changed: let those of exactly the members named count."""
    with publisher.lock:
        for peer in publisher.core.peers.values():
            peer.listed = is_named(peer, members)


def dismiss_unlisted(publisher: Publisher) -> None:
    """Let commits wait no longer for those who are away and not named; the publisher's lock is held."""
    core = publisher.core
    core.quorum.dismiss([peer for peer in core.quorum.lost() if not peer.listed])


def is_among(member: Member, members: tuple[Member, ...]) -> bool:
    return any(member.is_same(each) for each in members)


def is_named(peer: Peer, members: tuple[Member, ...]) -> bool:
    return any((peer.node, peer.incarnation.hex()) == (member.node, member.incarnation) for member in members)
