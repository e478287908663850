"""`TandemDialect`: how SQLAlchemy opens tandemdb's connections and begins their transactions.

    Session / Connection            dialect                      tandemdb.Connection
    begin (autobegin)       ──►     do_begin            ──►      BEGIN            a real one, before the first statement
    begin_nested            ──►     (SQLAlchemy's)      ──►      SAVEPOINT sa_savepoint_1
    commit / rollback       ──►     do_commit/_rollback ──►      commit() / rollback()

The stdlib's driver begins a transaction only before INSERT, UPDATE, DELETE and REPLACE, so that a SAVEPOINT or a CREATE
TABLE that comes first stands outside; SQLAlchemy's documentation cures that with two event listeners. Here BEGIN is
sent when SQLAlchemy begins. Those listeners may stay: a connection whose `isolation_level` is None, or that is in a
transaction already, is left alone.
"""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import quote, urlencode

from sqlalchemy import pool, util
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from tandemdb.dialect.pool import ThreadPool

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import ConnectArgsType, DBAPIModule
    from sqlalchemy.engine.url import URL
    from sqlalchemy.pool import PoolProxiedConnection

# Arguments of `connect` that may stand in a URL's query, and their types; what is left over belongs to the file: URI.
CONNECT_ARGUMENTS: dict[str, type] = {
    "timeout": float,
    "isolation_level": str,
    "detect_types": int,
    "check_same_thread": bool,
    "cached_statements": int,
    "uri": bool,
}
_private_store_numbers = count(1)


class TandemDialect(SQLiteDialect_pysqlite):
    """SQLAlchemy's SQLite dialect on tandemdb: `create_engine("sqlite+tandemdb://")`.

    Beyond `connect`'s own arguments, a URL's query takes `legacy_transactions=true`: begin as the stdlib's driver does,
    only before INSERT, UPDATE, DELETE and REPLACE.
    """

    driver = "tandemdb"
    supports_statement_cache = True
    legacy_transactions = False
    # Kept by SQLAlchemy's SQLite dialect too, which tells the listeners of the SAVEPOINT recipe apart by it.
    _shared_name: ClassVar[re.Pattern[str]] = re.compile(r":memory:.|(?!:memory:$).")

    @classmethod
    def import_dbapi(cls) -> DBAPIModule:
        import tandemdb

        return cast("DBAPIModule", tandemdb)

    @classmethod
    def _is_url_file_db(cls, url: URL) -> bool:
        """Tell whether the store has a name (SQLAlchemy's word: is a file), so that many connections share it."""
        return names_nodes(url) or cls._shared_name.match(url.database or "") is not None

    @classmethod
    def get_pool_class(cls, url: URL) -> type[pool.Pool]:
        return pool.QueuePool if cls._is_url_file_db(url) else ThreadPool

    def create_connect_args(self, url: URL) -> ConnectArgsType:
        """Return the arguments of `tandemdb.connect`; an engine whose URL names no store gets a new one."""
        query = dict(url.query)
        options: dict[str, Any] = {"check_same_thread": False}
        legacy: dict[str, Any] = {}
        util.coerce_kw_type(query, "legacy_transactions", bool, dest=legacy)
        query.pop("legacy_transactions", None)
        self.legacy_transactions = legacy.get("legacy_transactions", False)
        for name, kind in CONNECT_ARGUMENTS.items():
            util.coerce_kw_type(query, name, kind, dest=options)
            given = query.pop(name, None)
            if kind is str and given is not None:  # coerce_kw_type passes over what has its type already
                options[name] = given
        return [self._store_name(url, query, options)], options

    def _store_name(self, url: URL, query: dict[str, Any], options: dict[str, Any]) -> str:
        if names_nodes(url):
            port = f":{url.port}" if url.port else ""
            host = f"[{url.host}]{port}" if ":" in (url.host or "") else f"{url.host or ''}{port}"
            several = query.pop("host", ())
            host = ",".join(filter(None, [host, *([several] if isinstance(several, str) else several)]))
            security = f"?{urlencode(query)}" if query else ""
            return f"tandemdb://{host}/{quote(url.database or '')}{security}"
        if not self._is_url_file_db(url):
            return f":memory:engine {next(_private_store_numbers)}"
        name = str(url.database)
        if name.startswith("file:"):
            options["uri"] = True
        if options.get("uri") and query:
            name += "?" + "&".join(f"{key}={query[key]}" for key in sorted(query))
        return name

    def on_connect_url(self, url: URL) -> Any:
        """Return what is done with a new connection: on a node, nothing, for it takes no functions of this process."""
        return None if names_nodes(url) else super().on_connect_url(url)

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Tell whether the link to the node is lost: the pool then opens another, to whichever node leads."""
        return bool(getattr(connection, "is_lost", False)) or super().is_disconnect(e, connection, cursor)

    def do_begin(self, dbapi_connection: PoolProxiedConnection) -> None:
        """Begin a transaction, unless the connection commits each statement or its transactions are someone else's."""
        connection = cast(Any, dbapi_connection.dbapi_connection)
        kind = connection.isolation_level
        if kind is None or self.legacy_transactions or connection.in_transaction:
            return
        if getattr(connection, "autocommit", -1) is True:
            return
        connection.execute(f"BEGIN {kind}")


def names_nodes(url: URL) -> bool:
    """Tell whether a URL names nodes: HOST:PORT before the path, or several as ?host=HOST:PORT&host=HOST:PORT."""
    return bool(url.host or "host" in url.query)
