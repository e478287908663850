"""PRAGMA: what a connection may ask and set.

    PRAGMA table_info(t)    PRAGMAS["table_info"] = Pragma(columns, show=show_table_info)     rows of pragma_tables
    PRAGMA foreign_keys=on  PRAGMAS["foreign_keys"] = Pragma(columns, show, change, ...)      a field of Settings
    PRAGMA user_version=4                                                                     a setting of the database
    PRAGMA nonsense                                                                           nothing, as in SQLite

`show` gives the rows; `change` takes a value first. Whether a PRAGMA that was given a value still has columns is
SQLite's choice for each of them (`shows_when_set`). The session is whatever has what `PragmaSession` names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tandemdb.errors import OperationalError
from tandemdb.planner.connection_settings import Settings
from tandemdb.planner.pragma import checks as pragma_checks
from tandemdb.planner.pragma import tables as pragma_tables
from tandemdb.planner.pragma.tables import ALL_DATABASES, TEMP_UNUSED
from tandemdb.planner.pragma.values import (
    read_auto_vacuum,
    read_boolean,
    read_integer,
    read_safety_level,
    read_temp_store,
)
from tandemdb.planner.settings import read_setting, write_setting
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.bind.query import UserFunctions
    from tandemdb.storage import Database, Root, Transaction

Rows = list[tuple[Any, ...]]
Answer = tuple[tuple[str, ...], Rows]


class AttachedDatabase(Protocol):
    """One of a connection's databases; `root()` is what the connection sees now, its open transaction included."""

    @property
    def name(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def database(self) -> Database: ...
    def root(self) -> Root: ...
    def root_in_transaction(self) -> Root: ...


class PragmaSession(Protocol):
    """What a PRAGMA needs of a session. `write` gives the write transaction of a database."""

    @property
    def settings(self) -> Settings: ...
    @property
    def in_transaction(self) -> bool: ...
    @property
    def databases(self) -> Sequence[AttachedDatabase]: ...
    @property
    def users(self) -> UserFunctions: ...
    def write(self, database: int) -> Transaction: ...


class Call(NamedTuple):
    """One PRAGMA statement: the database it names by position, or ALL_DATABASES or TEMP_UNUSED; its value as text."""

    session: PragmaSession
    name: str
    home: int
    value: str | None

    @property
    def position(self) -> int:
        return max(self.home, 0)

    def root(self) -> Root:
        return self.session.databases[self.position].root()

    def root_read(self, position: int) -> Root:
        """A database's root; inside BEGIN it has then been read: it stays the same and cannot be detached."""
        attached = self.session.databases[position]
        return attached.root_in_transaction() if self.session.in_transaction else attached.root()


class Pragma(NamedTuple):
    """`show` is None for one that only does something; `table_valued`: also a function, pragma_NAME()."""

    columns: tuple[str, ...]
    show: Callable[[Call], Rows] | None = None
    change: Callable[[Call, str], None] | None = None
    shows_when_set: bool = True
    table_valued: bool = True
    takes_argument: bool = False


def run_pragma(session: PragmaSession, node: ast.Pragma) -> Answer | None:
    """Run a PRAGMA: its columns and rows, or None if it is one without a result.

    Raises:
        OperationalError: an unknown database, or what the PRAGMA itself refuses.
    """
    home = ALL_DATABASES if node.schema is None else find_position(session, node.schema)
    pragma = PRAGMAS.get(node.name.lower())
    if pragma is None:
        return None
    value = None if not node.has_value or node.value is None else text_of(node.value)
    call = Call(session, node.name.lower(), home, value)
    if value is not None and pragma.change is not None:
        pragma.change(call, value)
    if pragma.show is None or (value is not None and not pragma.shows_when_set):
        return None
    return pragma.columns, pragma.show(call)


def pragma_columns(name: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The columns of pragma_NAME(), and its hidden ones, which are its arguments; None if it isn't a function."""
    pragma = PRAGMAS.get(name.lower().removeprefix("pragma_"))
    if pragma is None or pragma.show is None or not pragma.table_valued:
        return None
    return pragma.columns, ("arg", "schema") if pragma.takes_argument else ("schema",)


def pragma_table_rows(session: PragmaSession, name: str, arguments: Sequence[Any]) -> Rows:
    """The rows of pragma_NAME(arguments), in the columns of `pragma_columns`, without the hidden ones.

    Raises:
        OperationalError: as run_pragma, and `no such table` for a name that isn't such a function.
    """
    bare = name.lower().removeprefix("pragma_")
    pragma = PRAGMAS.get(bare)
    if pragma is None or pragma.show is None or not pragma.table_valued:
        raise OperationalError(f"no such table: pragma_{bare}", code="SQLITE_ERROR")
    given = list(arguments)
    value = given.pop(0) if pragma.takes_argument and given else None
    schema = given.pop(0) if given else None
    home = ALL_DATABASES if schema is None else find_position(session, str(schema))
    return pragma.show(Call(session, bare, home, None if value is None else text_of(value)))


def find_position(session: PragmaSession, schema: str) -> int:
    """The position of a database by name.

    Raises:
        OperationalError: unknown database.
    """
    lowered = schema.lower()
    for position, attached in enumerate(session.databases):
        if attached.name.lower() == lowered:
            return position
    if lowered == "temp":
        return TEMP_UNUSED
    raise OperationalError(f"unknown database {schema}", code="SQLITE_ERROR")


def text_of(value: ast.Value) -> str:
    return (
        value
        if isinstance(value, str)
        else value.decode("utf-8", "replace")
        if isinstance(value, bytes)
        else str(value)
    )


# ---- settings of the connection


def show_setting(call: Call, field: str = "") -> Rows:
    value = getattr(call.session.settings, field or call.name)
    return [(int(value) if isinstance(value, bool) else value,)]


def change_flag(call: Call, value: str) -> None:
    if call.name == "foreign_keys" and call.session.in_transaction:
        return  # as SQLite: without effect, and without an error
    setattr(call.session.settings, call.name, read_boolean(value))


def change_busy_timeout(call: Call, value: str) -> None:
    call.session.settings.busy_timeout = max(0, read_integer(value))


def change_integer(call: Call, value: str, field: str = "") -> None:
    setattr(call.session.settings, field or call.name, read_integer(value))


def change_natural(call: Call, value: str) -> None:
    """A limit that a negative number leaves as it is."""
    number = read_integer(value)
    if number >= 0:
        setattr(call.session.settings, call.name, number)


def change_threads(call: Call, value: str) -> None:
    number = read_integer(value)
    if number >= 0:
        call.session.settings.threads = min(number, THREADS_MAX)


THREADS_MAX = 8
PAGES_MAX = 1073741823
SPILL_PAGES = 483


def change_synchronous(call: Call, value: str) -> None:
    if call.session.in_transaction:
        raise OperationalError("Safety level may not be changed inside a transaction", code="SQLITE_ERROR")
    call.session.settings.synchronous = (((read_safety_level(value, default=1) + 1) & 7) or 1) - 1


def change_page_size(call: Call, value: str) -> None:
    size = read_integer(value)
    if 512 <= size <= 65536 and size & (size - 1) == 0 and not call.root().tables[0].count:
        call.session.settings.page_size = size


def change_auto_vacuum(call: Call, value: str) -> None:
    if not call.root().tables[0].count:
        call.session.settings.auto_vacuum = read_auto_vacuum(value)


def show_journal_mode(call: Call) -> Rows:
    """A database that is a file too answers for that."""
    of_file = getattr(call.session.databases[call.position].database, "journal_mode", None)
    return [(call.session.settings.journal_mode if of_file is None else of_file(),)]


def change_journal_mode(call: Call, value: str) -> None:
    """A database in memory knows two modes; it stays in its own when asked for another."""
    of_file = getattr(call.session.databases[call.position].database, "journal_mode", None)
    if of_file is not None:
        of_file(value.lower())
    elif value.lower() in ("memory", "off"):
        call.session.settings.journal_mode = value.lower()


def change_locking_mode(call: Call, value: str) -> None:
    if value.lower() in ("normal", "exclusive"):
        call.session.settings.locking_mode = value.lower()


def change_max_page_count(call: Call, value: str) -> None:
    number = read_integer(value)
    if number > 0:
        call.session.settings.max_page_count = min(number, PAGES_MAX)


def change_secure_delete(call: Call, value: str) -> None:
    call.session.settings.secure_delete = 2 if value.lower() == "fast" else int(read_boolean(value))


def change_temp_store(call: Call, value: str) -> None:
    call.session.settings.temp_store = read_temp_store(value)


def change_temp_store_directory(call: Call, value: str) -> None:
    call.session.settings.temp_store_directory = value


def show_temp_store_directory(call: Call) -> Rows:
    directory = call.session.settings.temp_store_directory
    return [(directory,)] if directory else []


def change_cache_spill(call: Call, value: str) -> None:
    pages = max(SPILL_PAGES, read_integer(value))
    call.session.settings.cache_spill = pages if read_boolean(value) else 0


def change_journal_size_limit(call: Call, value: str) -> None:
    call.session.settings.journal_size_limit = max(-1, read_integer(value))


def change_wal_autocheckpoint(call: Call, value: str) -> None:
    call.session.settings.wal_autocheckpoint = max(0, read_integer(value))


# ---- settings and facts of the database


def show_database_setting(call: Call) -> Rows:
    return [(read_setting(call.root_read(call.position), call.name),)]


def change_database_setting(call: Call, value: str) -> None:
    number = read_integer(value)
    if call.home != TEMP_UNUSED:
        write_setting(call.session.write(call.position), call.name, number)


def show_encoding(call: Call) -> Rows:
    return [("UTF-8",)]


def change_encoding(call: Call, value: str) -> None:
    """Text is Unicode whatever was asked for; only a name that no SQLite knows is refused."""
    if value.lower() not in ("utf8", "utf-8", "utf-16le", "utf-16be", "utf16le", "utf16be", "utf-16", "utf16"):
        raise OperationalError(f"unsupported encoding: {value}", code="SQLITE_ERROR")


def show_page_count(call: Call) -> Rows:
    """Blocks in use, each counted as a page: 0 for a database without objects."""
    root = call.root()
    if not root.tables[0].count:
        return [(0,)]
    tables = list(root.tables.values())
    return [(sum(max(1, len(table.record_lists())) + len(table.keys) for table in tables),)]


def constant(*row: Any) -> Callable[[Call], Rows]:
    """What shows always the same row; no row at all if it is empty."""
    return lambda call: [row] if row else []


# ---- the table of all PRAGMAs


def flag(name: str) -> Pragma:
    return Pragma((name,), show_setting, change_flag, shows_when_set=False)


def value_of(name: str, change: Callable[[Call, str], None], *, shows_when_set: bool = True) -> Pragma:
    return Pragma((name,), show_setting, change, shows_when_set=shows_when_set)


def action() -> Pragma:
    return Pragma((), None)


FLAGS = (
    "automatic_index cell_size_check checkpoint_fullfsync count_changes defer_foreign_keys empty_result_callbacks "
    "foreign_keys full_column_names fullfsync ignore_check_constraints legacy_alter_table query_only read_uncommitted "
    "recursive_triggers reverse_unordered_selects short_column_names trusted_schema writable_schema"
).split()

PRAGMAS: dict[str, Pragma] = {name: flag(name) for name in FLAGS} | {
    "analysis_limit": value_of("analysis_limit", change_natural),
    "application_id": Pragma(("application_id",), show_database_setting, change_database_setting, shows_when_set=False),
    "auto_vacuum": value_of("auto_vacuum", change_auto_vacuum, shows_when_set=False),
    "busy_timeout": Pragma(("timeout",), show_setting, change_busy_timeout),
    "cache_size": value_of("cache_size", change_integer, shows_when_set=False),
    "cache_spill": value_of("cache_spill", change_cache_spill, shows_when_set=False),
    "case_sensitive_like": Pragma((), None, change_flag, table_valued=False),
    "collation_list": Pragma(("seq", "name"), pragma_tables.show_collations),
    "compile_options": Pragma(("compile_options",), pragma_tables.show_compile_options),
    "data_version": value_of("data_version", lambda call, value: None),
    "database_list": Pragma(("seq", "name", "file"), pragma_tables.show_databases),
    "default_cache_size": Pragma(
        ("cache_size",), partial(show_setting, field="cache_size"), partial(change_integer, field="cache_size"),
        shows_when_set=False,
    ),
    "encoding": Pragma(("encoding",), show_encoding, change_encoding, shows_when_set=False),
    "foreign_key_check": Pragma(
        ("table", "rowid", "parent", "fkid"), pragma_checks.show_foreign_key_violations, takes_argument=True
    ),
    "foreign_key_list": Pragma(
        ("id", "seq", "table", "from", "to", "on_update", "on_delete", "match"), pragma_tables.show_foreign_keys,
        takes_argument=True,
    ),
    "freelist_count": Pragma(("freelist_count",), constant(0)),
    "function_list": Pragma(("name", "builtin", "type", "enc", "narg", "flags"), pragma_tables.show_functions),
    "hard_heap_limit": value_of("hard_heap_limit", change_natural),
    "incremental_vacuum": action(),
    "index_info": Pragma(("seqno", "cid", "name"), pragma_tables.show_index_info, takes_argument=True),
    "index_list": Pragma(
        ("seq", "name", "unique", "origin", "partial"), pragma_tables.show_index_list, takes_argument=True
    ),
    "index_xinfo": Pragma(
        ("seqno", "cid", "name", "desc", "coll", "key"), pragma_tables.show_index_xinfo, takes_argument=True
    ),
    "integrity_check": Pragma(("integrity_check",), pragma_checks.show_integrity, takes_argument=True),
    "journal_mode": Pragma(("journal_mode",), show_journal_mode, change_journal_mode),
    "journal_size_limit": value_of("journal_size_limit", change_journal_size_limit),
    "legacy_file_format": action(),
    "locking_mode": value_of("locking_mode", change_locking_mode),
    "max_page_count": value_of("max_page_count", change_max_page_count),
    "mmap_size": Pragma(("mmap_size",), constant(), table_valued=False),
    "module_list": Pragma(("name",), pragma_tables.show_modules),
    "optimize": Pragma(("optimize",), constant(), takes_argument=True),
    "page_count": Pragma(("page_count",), show_page_count),
    "page_size": value_of("page_size", change_page_size, shows_when_set=False),
    "pragma_list": Pragma(("name",), lambda call: [(name,) for name in sorted(PRAGMAS)]),
    "quick_check": Pragma(("quick_check",), pragma_checks.show_integrity, takes_argument=True),
    "schema_version": Pragma(("schema_version",), show_database_setting, change_database_setting, shows_when_set=False),
    "secure_delete": value_of("secure_delete", change_secure_delete),
    "shrink_memory": action(),
    "soft_heap_limit": value_of("soft_heap_limit", change_natural),
    "synchronous": value_of("synchronous", change_synchronous, shows_when_set=False),
    "table_info": Pragma(
        ("cid", "name", "type", "notnull", "dflt_value", "pk"), pragma_tables.show_table_info, takes_argument=True
    ),
    "table_list": Pragma(
        ("schema", "name", "type", "ncol", "wr", "strict"), pragma_tables.show_table_list, takes_argument=True
    ),
    "table_xinfo": Pragma(
        ("cid", "name", "type", "notnull", "dflt_value", "pk", "hidden"), pragma_tables.show_table_xinfo,
        takes_argument=True,
    ),
    "temp_store": value_of("temp_store", change_temp_store, shows_when_set=False),
    "temp_store_directory": Pragma(
        ("temp_store_directory",), show_temp_store_directory, change_temp_store_directory, shows_when_set=False,
        table_valued=False,
    ),
    "threads": value_of("threads", change_threads),
    "user_version": Pragma(("user_version",), show_database_setting, change_database_setting, shows_when_set=False),
    "wal_autocheckpoint": value_of("wal_autocheckpoint", change_wal_autocheckpoint),
    "wal_checkpoint": Pragma(("busy", "log", "checkpointed"), constant(0, -1, -1), table_valued=False),
}  # fmt: skip
