"""The module, name by name, beside sqlite3; and what PEP 249 asks of a driver."""

from __future__ import annotations

import inspect
import pickle
import sqlite3
import subprocess
import sys
from typing import Any

import pytest

import tandemdb

PRIVATE = ("_deprecated_names", "_deprecated_version", "_deprecated_version_info")
MODULE_NAMES = [name for name in dir(sqlite3) if not name.startswith("__") and name not in PRIVATE]
CLASSES = ("Connection", "Cursor", "Row", "Blob")


@pytest.mark.parametrize("name", MODULE_NAMES)
def test_every_name_of_the_module_is_there(name: str) -> None:
    assert hasattr(tandemdb, name)


@pytest.mark.parametrize("name", [name for name in MODULE_NAMES if name.startswith(("SQLITE_", "PARSE_", "LEGACY_"))])
def test_constants_are_equal(name: str) -> None:
    assert getattr(tandemdb, name) == getattr(sqlite3, name)


@pytest.mark.parametrize("kind", CLASSES)
def test_every_member_of_the_classes_is_there(kind: str) -> None:
    ours, theirs = getattr(tandemdb, kind), getattr(sqlite3, kind)
    missing = [name for name in vars(theirs) if not hasattr(ours, name) and name != "__text_signature__"]
    # Extension loading needs C; SQLAlchemy and others ask hasattr() first, as for a Python built without it.
    assert [name for name in missing if name not in ("enable_load_extension", "load_extension")] == []


@pytest.mark.parametrize("kind", CLASSES)
def test_signatures_agree(kind: str) -> None:
    ours, theirs = getattr(tandemdb, kind), getattr(sqlite3, kind)
    for name, method in vars(theirs).items():
        text = getattr(method, "__text_signature__", None)
        if name.startswith("__") or not text or "unrepresentable" in text or "=ConnectionType" in text:
            continue
        try:
            expected = inspect.signature(method)
        except ValueError:
            continue
        found = inspect.signature(getattr(ours, name))
        if name == "iterdump" and sys.version_info < (3, 13):  # whose filter came with 3.13
            continue
        assert plain(found) == plain(expected), name


@pytest.mark.parametrize("name", [name for name in MODULE_NAMES if name.islower() and name != "dbapi2"])
def test_signatures_of_functions_agree(name: str) -> None:
    ours, theirs = getattr(tandemdb, name), getattr(sqlite3, name)
    if not callable(theirs):
        assert type(ours) is type(theirs)
        return
    try:
        expected = inspect.signature(theirs)
    except ValueError:  # connect and adapt say nothing of theirs
        return
    assert plain(inspect.signature(ours)) == plain(expected)


def plain(signature: inspect.Signature) -> list[tuple[str, Any, str]]:
    """Return names, kinds and defaults, `self` left out."""
    found = signature.parameters.values()
    return [(one.name, one.kind, repr(one.default)) for one in found if one.name not in ("self", "cls")]


def test_pep_249_module_globals() -> None:
    assert (tandemdb.apilevel, tandemdb.paramstyle) == ("2.0", "qmark")
    assert tandemdb.threadsafety == 3
    assert tandemdb.sqlite_version_info >= (3, 35, 0)


def test_pep_249_exceptions() -> None:
    assert issubclass(tandemdb.Warning, Exception)
    assert issubclass(tandemdb.Error, Exception)
    for name in ("InterfaceError", "DatabaseError"):
        assert issubclass(getattr(tandemdb, name), tandemdb.Error)
    for name in ("Data", "Operational", "Integrity", "Internal", "Programming", "NotSupported"):
        kind = getattr(tandemdb, name + "Error")
        assert issubclass(kind, tandemdb.DatabaseError)
        assert issubclass(kind, getattr(sqlite3, name + "Error"))
        assert kind.__module__ == "tandemdb"
        assert getattr(tandemdb.Connection, name + "Error") is kind


def test_pep_249_connection_and_cursor() -> None:
    con = tandemdb.connect(":memory:")
    for name in ("close", "commit", "rollback", "cursor"):
        assert callable(getattr(con, name))
    cur = con.cursor()
    for name in ("description", "rowcount", "arraysize", "lastrowid", "connection"):
        assert hasattr(cur, name)
    for name in ("close", "execute", "executemany", "fetchone", "fetchmany", "fetchall", "setinputsizes", "__iter__"):
        assert callable(getattr(cur, name))
    assert cur.description is None
    assert cur.rowcount == -1
    assert cur.arraysize == 1
    cur.execute("select 1 as a, 'x' as b")
    assert [column[0] for column in cur.description or ()] == ["a", "b"]
    assert all(len(column) == 7 for column in cur.description or ())


def test_pep_249_types() -> None:
    assert tandemdb.Date(2020, 1, 2).isoformat() == "2020-01-02"
    assert tandemdb.Time(1, 2, 3).isoformat() == "01:02:03"
    assert tandemdb.Timestamp(2020, 1, 2, 3, 4, 5).isoformat() == "2020-01-02T03:04:05"
    assert bytes(tandemdb.Binary(b"x")) == b"x"


def test_registries_are_the_standard_librarys() -> None:
    assert tandemdb.adapters is sqlite3.adapters
    assert tandemdb.converters is sqlite3.converters
    assert tandemdb.PrepareProtocol is sqlite3.PrepareProtocol


def test_isinstance_of_the_standard_librarys_classes() -> None:
    con = tandemdb.connect(":memory:")
    assert isinstance(con, sqlite3.Connection)
    assert isinstance(con, tandemdb.Connection)
    assert type(con) is tandemdb.Connection
    con.row_factory = sqlite3.Row
    row = con.execute("select 1 as a").fetchone()
    assert type(row) is sqlite3.Row and row["a"] == 1
    con.row_factory = tandemdb.Row
    assert isinstance(con.execute("select 1 as a").fetchone(), sqlite3.Row)


def test_c_code_refuses_our_connection() -> None:
    con = tandemdb.connect(":memory:")
    with pytest.raises(TypeError):
        sqlite3.Cursor(con)
    with pytest.raises(TypeError):
        con.cursor(sqlite3.Cursor)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        sqlite3.connect(":memory:").backup(con)


def test_connections_and_cursors_do_not_pickle() -> None:
    con = tandemdb.connect(":memory:")
    for value in (con, con.cursor()):
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(value)


def test_errors_pickle() -> None:
    con = tandemdb.connect(":memory:")
    con.execute("create table t(a unique)")
    con.execute("insert into t values(1)")
    with pytest.raises(tandemdb.IntegrityError) as caught:
        con.execute("insert into t values(1)")
    copied = pickle.loads(pickle.dumps(caught.value))
    assert type(copied) is tandemdb.IntegrityError
    assert (str(copied), copied.sqlite_errorname) == (str(caught.value), "SQLITE_CONSTRAINT_UNIQUE")


def test_importing_loads_neither_planner_nor_storage() -> None:
    code = (
        "import sys, tandemdb\n"
        "print([name for name in sys.modules if name.startswith(('tandemdb.planner', 'tandemdb.storage', 'msgspec'))])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_install_and_uninstall() -> None:
    original = sys.modules["sqlite3"]
    with tandemdb.install():
        import sqlite3 as swapped
        from sqlite3 import dbapi2

        assert swapped is tandemdb  # type: ignore[comparison-overlap]
        assert dbapi2 is tandemdb  # type: ignore[comparison-overlap]
        tandemdb.install()
    assert sys.modules["sqlite3"] is original
    tandemdb.uninstall()
    assert sys.modules["sqlite3"] is original
