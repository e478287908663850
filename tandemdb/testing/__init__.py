"""A cluster inside one test: mirrors on virtual time, links that fail when told to, an adversary by seed.

    pair(script)              a primary and its standby, connections both; time passes only by `advance`
      .cut() .heal() .set_faults() .promote() .settle() .assert_identical()
    simulate(seed)            three systems, a workload, an adversary that drops, delays, doubles, reorders, cuts,
                              restarts and promotes; every promise of mirroring checked after every step
    simulate_failover(seed)   nodes whose coordinator says who leads, processes that stand still, clocks that differ
    assert_identical(a, b)    the same LSN and the same blocks, or an AssertionError that lists rows

The protocol that runs here is the one that runs in production, primary, secondary, link and keeper; only clock, cable
and coordinator are the test's own. Nothing here sleeps, and of the threads there are one runs at a time.
"""

from __future__ import annotations

from tandemdb.replication import Faults
from tandemdb.testing.chronicle import Report
from tandemdb.testing.clock import VirtualClock
from tandemdb.testing.failover import simulate_failover
from tandemdb.testing.identical import assert_identical
from tandemdb.testing.invariants import InvariantBroken
from tandemdb.testing.pairs import Pair, pair
from tandemdb.testing.simulation import simulate

__all__ = [
    "Faults",
    "InvariantBroken",
    "Pair",
    "Report",
    "VirtualClock",
    "assert_identical",
    "pair",
    "simulate",
    "simulate_failover",
]
