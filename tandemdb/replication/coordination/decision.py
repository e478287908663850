"""What a node is to do, from what the coordinator keeps and what the node is. A function of its arguments, no I/O.

    record   lease                           I am                                 so I
    none     -                               of no cluster                        found
    none     -                               in office, the record was wiped      found: write it anew
    none     -                               of its cluster otherwise             wait
    other's  its primary's                   not the one                          follow it
    mine     of an earlier start of mine     that node, restarted                 wait
    mine     -                               the primary of the record            lead: renew, or take the lease again
    any      nobody's, or mine               in its sync_set, this incarnation    stand for promotion
    any      nobody's, or mine               not in it                            wait
    any      a candidate's                   not the one                          wait

An empty node founds only where there is no record (the amnesia rule), or is told to by --bootstrap: then whatever the
record says is over, and those who hold that data keep it. Where the record is gone that a node has had its part by, it
was not the node's to write: nobody can tell from nothing who holds every acknowledged commit.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from tandemdb.replication.coordination.coordinator import State
from tandemdb.replication.coordination.record import Member

Course = Literal["found", "lead", "follow", "stand", "wait"]
# What a node has been by any record since it was started.
Part = Literal["none", "in office", "other"]


class Decision(NamedTuple):
    course: Course
    reason: str


def decide(state: State, me: Member, bootstrap: bool = False, part: Part = "none") -> Decision:
    """Choose the course."""
    record = state.record
    if record is None or bootstrap:
        if state.leader and state.leader != me.holder:
            return Decision("wait", f"{state.leader.partition(' ')[0]} holds the lease")
        if bootstrap:
            return Decision("found", "told to begin a new cluster")
        if part == "other":
            return Decision("wait", "the coordinator has lost the record of the cluster, which this node did not lead")
        return Decision("found", "there is no record of the cluster")
    if record.primary.is_same(me):
        return Decision("lead", f"the record names this node for epoch {record.epoch}")
    if state.leader == record.primary.holder:
        if record.primary.node == me.node:
            return Decision("wait", "the lease that this node had before it was restarted has not lapsed")
        return Decision("follow", f"{record.primary.node} leads epoch {record.epoch}")
    if state.leader and state.leader != me.holder:
        return Decision("wait", f"{state.leader.partition(' ')[0]} stands for promotion")
    if record.names(me):
        return Decision("stand", f"{record.primary.node} has let its lease lapse")
    if record.primary.node == me.node:
        reason = "this node led before it was restarted, and is empty now"
    elif any(each.node == me.node for each in record.sync_set):
        reason = "this node was restarted, and is empty now"
    else:
        reason = "this node is not known to hold every acknowledged commit"
    return Decision("wait", f"nobody leads, and {reason}")
