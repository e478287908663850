"""Users' functions: wrapped so that the planner may call them like its own.

    SQL value(s) --> wrapper --> the user's callable --> result --> to_value --> SQL value
                        |             | raises
                        |             v
                        |     OperationalError "user-defined function raised exception"; the traceback goes to
                        |     sys.unraisablehook if enable_callback_tracebacks(True) was called

An aggregate's wrapper has the methods of the user's class and makes the instance at the first step, so that one
which never stepped gives NULL, as in sqlite3.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import ref

from tandemdb.dbapi.parameters import Value, to_value
from tandemdb.dbapi.ready import NOT_READY
from tandemdb.errors import DataError, OperationalError

if TYPE_CHECKING:
    from tandemdb.dbapi.callbacks import Callbacks

SQLITE_DENY = 1

_tracebacks = False


def enable_callback_tracebacks(enable: bool, /) -> None:
    """Print the tracebacks of callbacks that fail, through sys.unraisablehook, or stop doing so."""
    global _tracebacks
    _tracebacks = bool(enable)


def wrap_function(function: Callable[..., Any] | None) -> Callable[..., Value]:
    """Return the function with its failures and its result made SQL's."""

    def call(*values: Value) -> Value:
        try:
            result = function(*values)  # type: ignore[misc]  # None fails here, as in sqlite3
            if result is None or type(result) is str and result.isascii():
                return result
            return to_value(result, lambda: unsupported_result(result))
        except Exception as error:
            raise failure("user-defined function raised exception", error, function) from error

    return call


def unsupported_result(result: Any) -> TypeError:
    """Make the error for a result that SQL has no place for."""
    return TypeError(f"a result of type '{type(result).__name__}' is not supported")


def failure(message: str, error: Exception, source: Any) -> Exception:
    """Report a callback's error and return the one that the statement fails with."""
    report(error, source)
    if isinstance(error, MemoryError):
        return MemoryError()
    if isinstance(error, OverflowError):
        return DataError("string or blob too big", code="SQLITE_TOOBIG")
    return OperationalError(message, code="SQLITE_ERROR")


def wrap_aggregate(factory: Callable[[], Any] | None) -> type:
    """Return a class with step, inverse, value and finalize that guards the user's."""

    class Aggregate(GuardedAggregate):
        """One group's run of the user's aggregate."""

        __slots__ = ()
        make = staticmethod(factory)  # type: ignore[arg-type]  # None fails when called, as in sqlite3

    return Aggregate


class GuardedAggregate:
    """Calls the methods of the user's aggregate and words their failures as sqlite3 does."""

    __slots__ = ("instance", "stepped")
    make: Callable[[], Any]

    def __init__(self) -> None:
        """Wait for the first step to make the user's instance."""
        self.instance: Any = None
        self.stepped = False

    def step(self, *values: Value) -> None:
        """Take one row in."""
        if not self.stepped:
            self.stepped = True
            try:
                self.instance = self.make()
            except Exception as error:
                raise failure("user-defined aggregate's '__init__' method raised error", error, self.make) from error
        self.call("step", *values)

    def inverse(self, *values: Value) -> None:
        """Take one row out of a window."""
        self.call("inverse", *values)

    def value(self) -> Value:
        """Return the window's current value."""
        return self.result("value") if self.stepped else None

    def finalize(self) -> Value:
        """Return the group's value."""
        return self.result("finalize") if self.stepped else None

    def result(self, name: str) -> Value:
        """Call a method and turn what it returns into an SQL value."""
        result = self.call(name)
        try:
            return to_value(result, lambda: unsupported_result(result))
        except Exception as error:
            raise failure(f"user-defined aggregate's '{name}' method raised error", error, self.make) from error

    def call(self, name: str, *values: Value) -> Any:
        """Call a method of the user's instance."""
        try:
            method = getattr(self.instance, name)
        except AttributeError as error:
            raise failure(f"user-defined aggregate's '{name}' method not defined", error, self.make) from error
        try:
            return method(*values)
        except Exception as error:
            raise failure(f"user-defined aggregate's '{name}' method raised error", error, self.make) from error


def wrap_collation(function: Callable[[str, str], Any], connection: Callbacks) -> Callable[[str, str], int]:
    """Return the comparison; one that fails or answers no number finds its texts equal."""
    reference = ref(connection)  # collations outlive connections

    def compare(left: str, right: str) -> int:
        caller = reference()
        if caller is not None and getattr(caller._session, "changing", False):
            with comparing(caller):
                return ask(left, right)
        return ask(left, right)

    def ask(left: str, right: str) -> int:
        try:
            answer = function(left, right)
            return answer if isinstance(answer, int) else 0
        except Exception as error:
            report(error, function)
            return 0

    return compare


@contextmanager
def comparing(connection: Callbacks) -> Iterator[None]:
    """Let what runs on the connection only read: it is called in the midst of a change."""
    session = connection._session
    before, ready = session.comparing, connection._ready
    session.comparing, connection._ready = True, NOT_READY
    try:
        yield
    finally:
        session.comparing, connection._ready = before, ready


def wrap_authorizer(function: Callable[..., Any]) -> Callable[..., int]:
    """Return the authorizer; one that fails or answers no number denies."""

    def authorize(*question: Any) -> int:
        try:
            answer = function(*question)
            if not isinstance(answer, int):
                return SQLITE_DENY
            if not -(2**31) <= answer < 2**31:
                raise OverflowError("Python int too large to convert to C int")
            return answer
        except Exception as error:
            report(error, function)
            return SQLITE_DENY

    return authorize


def wrap_progress(function: Callable[[], Any]) -> Callable[[], bool]:
    """Return the handler; one that fails interrupts."""

    def progress() -> bool:
        try:
            return bool(function())
        except Exception as error:
            report(error, function)
            return True

    return progress


def wrap_trace(function: Callable[[str], Any]) -> Callable[[str], None]:
    """Return the callback; its failures change nothing."""

    def trace(text: str) -> None:
        try:
            function(text)
        except Exception as error:
            report(error, function)

    return trace


def report(error: BaseException, source: Any) -> None:
    """Hand a callback's error to sys.unraisablehook if tracebacks are enabled."""
    if _tracebacks:
        sys.unraisablehook(make_unraisable(error, source))


def make_unraisable(error: BaseException, source: Any) -> Any:
    """Build the hook's argument; its type has no public name, so one is caught to learn it."""
    if not _unraisable:
        caught: list[Any] = []
        previous, sys.unraisablehook = sys.unraisablehook, caught.append
        try:
            Failing()
        finally:
            sys.unraisablehook = previous
        _unraisable.append(type(caught[0]))
        caught.clear()
    return _unraisable[0]((type(error), error, error.__traceback__, None, source))


_unraisable: list[type] = []


class Failing:
    """An object whose end is an error that nobody can catch."""

    def __del__(self) -> None:
        raise RuntimeError("made to learn the type of sys.unraisablehook's argument")
