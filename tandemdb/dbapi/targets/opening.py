"""Opening a target by what names it.

    "sqlite:///backup.db"                    an SQLite file, by the standard library
    "postgresql+psycopg://HOST/NAME"         whatever SQLAlchemy can connect to
    an sqlalchemy.Engine                     the same
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tandemdb.errors import NotSupportedError, ProgrammingError
from tandemdb.replication.targets import Position, Target

if TYPE_CHECKING:
    from tandemdb.storage import Root

SQLITE_FILE = "sqlite:///"
TANDEMDB = "tandemdb://"


class ReadableTarget(Target, Protocol):
    """A target that a database can be started from."""

    def open(self, only_read: bool = False) -> Position | None:
        """As of any target; with `only_read`, nothing is made there."""

    def read(self) -> Root:
        """Read all that it holds; `open` comes first."""


__all__ = ["Position", "ReadableTarget", "is_target", "open_target"]


def is_target(target: Any) -> bool:
    """Tell whether this names a target of another kind, not a tandemdb database."""
    if isinstance(target, str):
        return "://" in target and not target.startswith(TANDEMDB)
    return hasattr(target, "dialect") and hasattr(target, "connect")


def open_target(target: Any) -> ReadableTarget:
    """Make the target; it connects when it is asked to.

    Raises:
        ProgrammingError: this names none. NotSupportedError: SQLAlchemy, or the driver it needs, is not installed.
    """
    if isinstance(target, str) and target.startswith(SQLITE_FILE):
        path = target.removeprefix(SQLITE_FILE).partition("?")[0]
        if path not in ("", ":memory:"):
            from tandemdb.dbapi.targets.sqlite_file import SqliteTarget

            return SqliteTarget(path)
    if not is_target(target):
        raise ProgrammingError(
            f"not a backup target: {target!r}", hint="It is sqlite:///PATH, a URL for SQLAlchemy, or an engine."
        )
    if isinstance(target, str):
        target = make_engine(target)
    if target.dialect.name == "sqlite":
        if target.dialect.driver != "pysqlite" or target.url.database in (None, "", ":memory:"):
            raise ProgrammingError(
                f"not a backup target: {target.url.database or 'memory'} by {target.dialect.driver}",
                hint="Name an SQLite file: sqlite:///PATH.",
            )
        return open_target(SQLITE_FILE + target.url.database)
    if target.dialect.is_async:
        raise ProgrammingError("a backup target needs an engine that is not asynchronous", hint="Use create_engine().")
    from tandemdb.dbapi.targets.engine import EngineTarget

    return EngineTarget(target)


def make_engine(url: str) -> Any:
    """Make SQLAlchemy's engine of a URL."""
    try:
        import sqlalchemy
    except ImportError:
        raise NotSupportedError(
            "this backup target needs SQLAlchemy", hint="Install it: pip install sqlalchemy"
        ) from None
    try:
        return sqlalchemy.create_engine(url)
    except sqlalchemy.exc.ArgumentError as error:
        # Without what may be a password.
        place = f"{url.partition('://')[0]}://...{url.rpartition('@')[2] if '@' in url else ''}"
        raise ProgrammingError(f"not a backup target: {place}", detail=str(error).replace(url, place)) from None
    except ImportError as error:
        raise NotSupportedError(
            f"the driver of this backup target is not installed: {error.name}", hint="Install it beside tandemdb."
        ) from None
