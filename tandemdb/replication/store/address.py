"""Where a store listens, and links to it: on this machine only.

    unix:PATH             a socket file of mode 0600: whoever may open it may attach
    127.0.0.1:PORT        where there are no such sockets; with a secret file, as between nodes
"""

from __future__ import annotations

import os
import socket
from typing import NamedTuple

from tandemdb.errors import NotSupportedError, ProgrammingError
from tandemdb.replication.errors import LinkLost
from tandemdb.replication.network import transport
from tandemdb.replication.network.address import Address, Security, read_listener

UNIX = "unix:"
ATTEMPT_SECONDS = 5.0


class StoreAddress(NamedTuple):
    """`path` of a socket file, or "" and a loopback host and port."""

    path: str
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        if self.path:
            return UNIX + self.path
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def read_store_address(text: str) -> StoreAddress:
    """Read `unix:PATH` or a loopback `HOST:PORT`.

    Raises:
        ProgrammingError: it is neither. NotSupportedError: this system has no such sockets.
    """
    if text.startswith(UNIX):
        path = text.removeprefix(UNIX)
        if not path:
            raise ProgrammingError(f"not the address of a store: {text}", hint="It looks like unix:/run/shop.sock")
        if not hasattr(socket, "AF_UNIX"):
            raise NotSupportedError("this system has no unix sockets", hint="Let the store listen on 127.0.0.1:PORT.")
        return StoreAddress(os.path.abspath(path))
    host, port = read_listener(text)
    if not Address(host, port, "store").is_loopback:
        raise ProgrammingError(
            f"a store listens on this machine only, not on {host}", hint="Use unix:PATH or 127.0.0.1:PORT."
        )
    return StoreAddress("", host, port)


def listen(address: StoreAddress) -> tuple[socket.socket, StoreAddress]:
    """Open a listening socket; returns it with the address it got.

    Raises:
        LinkLost: the address is taken, or the path cannot be used.
    """
    if not address.path:
        listener = transport.listen(address.host, address.port)
        return listener, address._replace(port=int(listener.getsockname()[1]))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        remove_dead(address)
        listener.bind(address.path)
        os.chmod(address.path, 0o600)  # Before it listens nobody can connect.
        listener.listen()
    except BaseException as error:
        listener.close()
        if isinstance(error, OSError):
            raise LinkLost(f"unable to listen on {address}: {error.strerror or error}") from error
        raise
    return listener, address


def connect(address: StoreAddress) -> transport.Channel:
    """Connect to a store; nothing is said yet.

    Raises:
        LinkLost: nobody listens there.
    """
    if not address.path:
        return transport.connect(Address(address.host, address.port, "store", Security()))
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connected.settimeout(ATTEMPT_SECONDS)
        connected.connect(address.path)
    except OSError as error:
        connected.close()
        raise LinkLost(
            f"unable to connect to the store at {address}: {error.strerror or error}", hint="Is it running?"
        ) from error
    return transport.Channel(connected)


def remove_dead(address: StoreAddress) -> None:
    """Remove the socket file of a store that is gone.

    Raises:
        LinkLost: a store listens on it.
    """
    if not os.path.exists(address.path):
        return
    try:
        connect(address).close()
    except LinkLost as error:
        if isinstance(error.__cause__, ConnectionRefusedError):
            os.unlink(address.path)
        return
    raise LinkLost(f"unable to listen on {address}: another store does")
