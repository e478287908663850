"""Operating a node: the link over which one node asks another for what an operator may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandemdb.replication.network import calls, handshake, transport
from tandemdb.replication.network.calls import Caller

if TYPE_CHECKING:
    from tandemdb.replication.core.identity import Identity
    from tandemdb.replication.network.address import Address


def log_in_to(address: Address, identity: Identity, seconds: float = transport.CONNECT_SECONDS) -> Caller:
    """Connect to a node and log in as an operator; the caller closes what is returned.

    Raises:
        LinkLost, ProtocolError, Refused: it does not answer, or does not let us in.
    """
    channel = transport.connect(address, seconds)
    try:
        handshake.log_in(channel, identity, address.security.secret, address.name, "operator")
        handshake.open_up(channel, calls.ANSWERS)
    except BaseException:
        channel.close()
        raise
    return Caller(channel)
