"""Stores apart: `keep` runs one in this process, `attach` keeps a database's blocks in one.

    tandemdb store --listen unix:/run/shop.sock      the blocks
    tandemdb serve --store unix:/run/shop.sock       a node that controls them: SQL, links, mirroring
    connection.attach_store("unix:/run/shop.sock")   or a program that does
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tandemdb.replication.network.address import Security
from tandemdb.replication.store.address import read_store_address

if TYPE_CHECKING:
    from tandemdb.replication.store.attachment import Attachment
    from tandemdb.replication.store.process import Store
    from tandemdb.storage import Database


def keep(name: str, listen: str, secret_file: str = "") -> Store:
    """Hold the blocks of a database for who attaches at `unix:PATH` or a loopback HOST:PORT; `Store.stop()` ends it.

    Raises:
        ProgrammingError: that is no such address. OperationalError: it cannot be listened on.
    """
    from tandemdb.replication.store.process import Store

    store = Store(name, read_store_address(listen), Security(secret_file).secret)
    store.start()
    return store


def attach(database: Database, address: str, security: Security | None = None, *, leads: bool = True) -> Attachment:
    """Keep a database's blocks in the store at this address; see `tandemdb.replication.store.attachment`."""
    from tandemdb.replication.store import attachment

    secret = (security or Security()).secret
    return attachment.attach(database, read_store_address(address), secret, leads=leads)


def ask(address: str, method: str, secret_file: str = "") -> Any:
    """Ask a store something that does not need to be attached: "status"."""
    from tandemdb.replication.core.identity import Identity
    from tandemdb.replication.store.attachment import log_in

    caller = log_in(Identity(b"", "operator", b""), read_store_address(address), Security(secret_file).secret)
    try:
        return caller.call(method, seconds=5.0).value
    finally:
        caller.close()
