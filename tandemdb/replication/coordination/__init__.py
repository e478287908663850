"""Coordination: who leads, kept by an existing consensus system, never by one of our own.

    coordinator.py   what is asked of it: read, cas, lease, renew, watch
      memory.py  file.py  etcd.py      a process, a machine, a cluster
    record.py        what it keeps: epoch, primary, who may be promoted
    decision.py      what a node is to do, from what it has read (no I/O)
    authority.py     how long a primary may acknowledge commits, asked at each of them
    keeper.py        what does it          rounds.py   the two threads that drive it
    standing.py      a promotion: who is heard, who is ahead          asking.py   how one is heard

A primary holds a lease that it renews. One that dies, or cannot reach the coordinator, lets it lapse and stops
acknowledging before that; then a synchronous secondary that the record names takes the lease, hears enough of the
others, changes the record and leads. The data path fences by epoch besides: a lock service alone would not.
"""

from __future__ import annotations

from tandemdb.replication.coordination.coordinator import Coordinator, CoordinatorLost, Lease, State
from tandemdb.replication.coordination.opening import open_coordinator
from tandemdb.replication.coordination.record import Member, Record

__all__ = ["Coordinator", "CoordinatorLost", "Lease", "Member", "Record", "State", "open_coordinator"]
