"""Replication: every committed change of a database, block for block, in another that can take over.

    Database --observer--> Publisher --> Primary  ==frames==>  Secondary --apply--> Database
                            threads,     (core, no I/O)   link    (core)
                            waiting                        wire.py: the same frames as bytes

    replica = attach(primary, secondary, mode="sync")      status(primary)      wait_for(secondary, lsn)
    promote(secondary)                                     detach(secondary)    continue_alone(primary)
    outcome(database, transaction)

Knows blocks and records, no SQL: a secondary runs without the planner.
"""

from __future__ import annotations

import logging

from tandemdb.replication.core.messages import LSN, Epoch
from tandemdb.replication.errors import (
    BaseAbandoned,
    CommitInDoubt,
    ExposedWarning,
    FencedInDoubt,
    PrimaryFenced,
    ProtocolError,
    ReplicationError,
    SecondaryBehind,
    SecondaryLost,
    StoreLost,
)
from tandemdb.replication.link import Faults
from tandemdb.replication.overview import Overview, overview
from tandemdb.replication.publisher import READ_ONLY
from tandemdb.replication.replica import (
    PromotionReport,
    Replica,
    attach,
    continue_alone,
    detach,
    is_exposed,
    orphans,
    outcome,
    promote,
    status,
    wait_for,
    wait_for_token,
)
from tandemdb.replication.secondary_status import SecondaryStatus
from tandemdb.replication.system import Orphan

# Silent unless the application asks for it: logging would print what nobody handles.
logging.getLogger("tandemdb").addHandler(logging.NullHandler())

__all__ = [
    "LSN",
    "READ_ONLY",
    "BaseAbandoned",
    "CommitInDoubt",
    "Epoch",
    "ExposedWarning",
    "Faults",
    "FencedInDoubt",
    "Orphan",
    "Overview",
    "PrimaryFenced",
    "PromotionReport",
    "ProtocolError",
    "Replica",
    "ReplicationError",
    "SecondaryBehind",
    "SecondaryLost",
    "SecondaryStatus",
    "StoreLost",
    "attach",
    "continue_alone",
    "detach",
    "is_exposed",
    "orphans",
    "outcome",
    "overview",
    "promote",
    "status",
    "wait_for",
    "wait_for_token",
]
