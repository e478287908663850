"""Asking a member of the record, over the network, to let go of the former primary: what a candidate does.

    candidate --operator's link--> stand_aside() --> incarnation, epoch, transaction, LSN received
"""

from __future__ import annotations

import logging

from tandemdb.replication.coordination.record import Member
from tandemdb.replication.coordination.standing import Place
from tandemdb.replication.core.identity import Identity
from tandemdb.replication.errors import LinkLost, ProtocolError, ReplicationError
from tandemdb.replication.network.address import Security, read_address
from tandemdb.replication.network.operating import log_in_to

log = logging.getLogger("tandemdb.replication")


def ask_member(member: Member, identity: Identity, security: Security, seconds: float) -> Place | None:
    """Make a member let go of the former primary and tell its place; None: it is gone, restarted, or silent."""
    try:
        operator = log_in_to(read_address(member.address, security), identity, seconds)
        try:
            incarnation, epoch, transaction, lsn = operator.call("stand_aside", seconds=seconds).value
        finally:
            operator.close()
    except (LinkLost, ProtocolError, ReplicationError) as error:
        log.info("%s does not answer: %s", member.node, error)
        return None
    return (epoch, transaction, lsn) if incarnation == member.incarnation else None
