"""Opening a coordinator by its URL.

    file:PATH                                 one machine
    etcd://HOST:PORT,HOST:PORT/PREFIX         keys PREFIX/record and PREFIX/leader; ?tls_ca=… &tls_cert=… &tls_key=…
"""

from __future__ import annotations

import os
from urllib.parse import parse_qsl, unquote

from tandemdb.errors import ProgrammingError
from tandemdb.replication.coordination.coordinator import Coordinator


def open_coordinator(url: str, timeout_seconds: float = 1.0) -> Coordinator:
    """Open the coordinator at a URL; that it is there shows when it is asked. A request may take so long.

    Raises:
        ProgrammingError: it is no such URL, or that of a file in a folder that is not there.
        NotSupportedError: the library that it needs is not installed.
    """
    scheme, colon, rest = url.partition(":")
    if scheme == "file" and rest:
        from tandemdb.replication.coordination.file import FileCoordinator

        path = unquote(rest.removeprefix("//"))
        if not os.path.isdir(os.path.dirname(path) or "."):
            raise ProgrammingError(f"not the address of a coordinator: {url}", detail="The file's folder is not there.")
        return FileCoordinator(path)
    place, _, query = rest.removeprefix("//").partition("?")
    hosts, slash, prefix = place.partition("/")
    options = dict(parse_qsl(query))
    known = {"tls_ca", "tls_cert", "tls_key"}
    if scheme == "etcd" and rest.startswith("//") and hosts and prefix.strip("/") and known.issuperset(options):
        from tandemdb.replication.coordination.etcd import EtcdCoordinator

        return EtcdCoordinator(hosts.split(","), unquote(prefix.strip("/")), timeout_seconds, **options)
    raise ProgrammingError(
        f"not the address of a coordinator: {url}", hint="It looks like etcd://HOST:PORT/shop or file:/PATH/shop.json"
    )
