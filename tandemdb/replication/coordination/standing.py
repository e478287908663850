"""Standing for promotion: hear the others, see who is ahead. No I/O: `asking` is how one is heard.

    record   sync_set {b, c, d}, required 1    any acknowledged commit is on one of the three: all must be heard
             sync_set {b, c, d}, required 2    on two of them: hearing two is enough, for one of those has it

    b stands:  b at (2, 7001, 41)   c answers (2, 7003, 43)   --> c is ahead: b lets it stand instead
               c answers (2, 7001, 41)                        --> b leads
               c answers (2, 7000, 42)                        --> b leads

The transaction counts before the LSN: what a primary abandons has lower numbers than what it commits in its place,
and may have come to higher LSNs somewhere.

Who is heard has let go of the former primary before it answers, so that nothing is acknowledged behind the
candidate's back. It follows again as soon as the lease is held by whom the record names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tandemdb.replication.coordination.record import Member, Record

Place = tuple[int, ...]  # epoch, transaction and LSN received


class Count(NamedTuple):
    """How a candidacy stands: `reason` says why it fails, "" if it does not."""

    heard: dict[str, Place]
    reason: str


def count(record: Record, me: Member, place: Place, ask: Callable[[Member], Place | None]) -> Count:
    """Hear the others of the sync_set; `ask` makes one let go and returns its place, None if it does not answer."""
    heard = {me.node: place}
    for member in record.sync_set:
        if not member.is_same(me) and (found := ask(member)) is not None:
            heard[member.node] = found
    if len(heard) < record.must_be_heard:
        missing = sorted({member.node for member in record.sync_set} - heard.keys())
        return Count(heard, f"{record.must_be_heard} must be heard and {', '.join(missing)} do not answer")
    ahead = max(heard, key=lambda node: heard[node])
    if heard[ahead] > place:
        return Count(heard, f"{ahead} is ahead, at LSN {heard[ahead][2]}, not {place[2]}")
    return Count(heard, "")


def level_with(record: Record, me: Member, found: Count) -> tuple[Member, ...]:
    """Return the others of the sync_set who hold exactly what the candidate holds: they may lead in its place."""
    place = found.heard[me.node]
    return tuple(each for each in record.sync_set if not each.is_same(me) and found.heard.get(each.node) == place)
