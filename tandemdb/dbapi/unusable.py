"""What stands in a cursor for its connection while the cursor may not be used: each call of it is refused.

    cursor._connection._owner    the number of the thread that may call, or REFUSED, which no thread has
                      ._guard()  raises ProgrammingError: closed, not made yet, or called while it runs Python code
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tandemdb.errors import ProgrammingError

if TYPE_CHECKING:
    from tandemdb.dbapi.connection import Connection

REFUSED = -1


class Refusing:
    """Stands in a cursor for its connection while the cursor may not be used."""

    __slots__ = ("connection",)
    _owner = REFUSED
    message = ""

    def __init__(self, connection: Connection) -> None:
        """Remember the connection that it stands for."""
        self.connection = connection

    def _guard(self) -> Any:
        raise ProgrammingError(self.message)


class Closed(Refusing):
    """Stands for the connection of a closed cursor."""

    __slots__ = ()
    message = "Cannot operate on a closed cursor."


class Unmade(Refusing):
    """Stands for the connection of a cursor whose __init__ has not run."""

    __slots__ = ()
    message = "Base Cursor.__init__ not called."

    def __init__(self) -> None:
        """Stand for no connection."""


class Busy(Refusing):
    """Stands for the connection while the cursor runs Python code that might call it."""

    __slots__ = ()
    message = "Recursive use of cursors not allowed."


UNMADE = Unmade()
