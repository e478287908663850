"""What a connection plugs into its session: functions, collations, and callbacks that watch statements run.

    interrupt()                 from any thread: interrupted, watched = True
    set_progress_handler        every `progress_interval` steps       --+
    set_trace_callback          before each statement                   +--> watched: `ready` is empty and stays so
    set_authorizer              as each statement is prepared         --+

A statement that reads whole tables or makes rows from rows does it a block at a time, and asks between two blocks
whether to go on (`Context.watched`): a flag if nobody watches. What reads a few rows by a key does not ask.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError
from tandemdb.planner.user_functions import Entry, Registrations, UserRegistry

if TYPE_CHECKING:
    from tandemdb.planner.authorization import Authority
    from tandemdb.planner.statement import Statement

STATEMENT_STEPS, RECORD_STEPS = 8, 4
"""Steps of SQLite's virtual machine that a statement and a record count for: what SQLite takes for simple ones."""


class Hooks:
    """The part of a session that holds what was registered with it."""

    __slots__ = (
        "authority",
        "authorized",
        "authorizer",
        "change_key",
        "interrupted",
        "plan_settings",
        "progress",
        "progress_interval",
        "ready",
        "steps",
        "trace",
        "users",
        "watched",
    )

    def __init__(self) -> None:
        self.users = UserRegistry()
        self.plan_settings: Registrations | None = None
        self.change_key: tuple[Any, ...] | None = None
        self.trace: Callable[[str], Any] | None = None
        self.authorizer: Callable[..., int] | None = None
        self.progress: Callable[[], Any] | None = None
        self.progress_interval = 0
        self.steps = 0
        self.interrupted = False
        self.watched = False
        self.authorized: dict[str, Statement] = {}
        self.authority: Authority | None = None
        # A text, or a template alone in a tuple -> what runs it without a look at anything above: whatever changes that
        # empties it.
        self.ready: dict[Any, Any] = {}

    # ---- functions

    def create_function(
        self, name: str, narg: int, function: Callable[..., Any] | None, deterministic: bool = False
    ) -> None:
        """Register a scalar function, or remove it with None."""
        self.register(name, narg, None if function is None else Entry("scalar", function, bool(deterministic)))

    def create_aggregate(self, name: str, narg: int, aggregate: Any) -> None:
        """Register an aggregate class with step() and finalize(), or remove it with None."""
        self.register(name, narg, None if aggregate is None else Entry("aggregate", aggregate))

    def create_window_function(self, name: str, narg: int, aggregate: Any) -> None:
        """Register an aggregate class with step(), inverse(), value() and finalize(), or remove it with None."""
        self.register(name, narg, None if aggregate is None else Entry("window", aggregate))

    def create_collation(self, name: str, compare: Callable[[str, str], int] | None) -> None:
        """Register a collation, or remove it with None."""
        self.users.register_collation(name, compare)
        self.functions_changed()

    def register(self, name: str, count: int, entry: Entry | None) -> None:
        self.users.register(name, count, entry)
        self.functions_changed()

    def functions_changed(self) -> None:
        self.plan_settings = self.users.registrations
        self.change_key = None
        self.authorized.clear()
        self.ready.clear()

    # ---- callbacks

    def set_trace_callback(self, callback: Callable[[str], Any] | None) -> None:
        """Call back with the text of each statement that runs."""
        self.trace = callback
        self.find_out_who_watches()

    def set_authorizer(self, callback: Callable[..., int] | None) -> None:
        """Ask about each access as a statement is prepared; statements prepared before are asked about again.

        With None nobody is asked any more, but as in sqlite3 a statement that was prepared goes on as it was allowed.
        """
        self.authorizer = callback
        if callback is not None:
            self.authorized.clear()
        self.find_out_who_watches()

    def set_progress_handler(self, callback: Callable[[], Any] | None, instructions: int = 0) -> None:
        """Call back every `instructions` steps of a running statement; a true answer interrupts it."""
        self.progress = callback if instructions > 0 else None
        self.progress_interval = instructions
        self.steps = 0
        self.find_out_who_watches()

    def interrupt(self) -> None:
        """Ask the running statement to stop; without one, nothing comes of it."""
        self.interrupted = True
        self.watched = True

    def find_out_who_watches(self) -> None:
        callbacks = (self.trace, self.authorizer, self.progress)
        self.watched = any(callback is not None for callback in callbacks) or self.interrupted or bool(self.authorized)
        if self.watched:
            self.ready.clear()

    # ---- while a statement runs

    def watch_start(self, statement: Statement) -> None:
        """Tell those who watch that a statement begins.

        Raises:
            OperationalError: interrupted, by the progress handler.
        """
        if self.interrupted:
            self.interrupted = False  # it was meant for a statement that is over
            self.find_out_who_watches()
        if self.trace is not None:
            self.trace(statement.sql)
        if self.progress is not None:
            self.count_steps(STATEMENT_STEPS)

    def check(self, records: int) -> None:
        """Go on, after so many records?

        Raises:
            OperationalError: interrupted.
        """
        if self.interrupted:
            raise interrupted()
        if self.progress is not None:
            self.count_steps(records * RECORD_STEPS)

    def count_steps(self, steps: int) -> None:
        """Call the progress handler as often as these steps are due it."""
        self.steps += steps
        while self.progress is not None and self.steps >= self.progress_interval:
            self.steps -= self.progress_interval
            if self.progress():
                raise interrupted()


def interrupted() -> OperationalError:
    """The error of a statement that was stopped; one that writes takes its transaction along, as in SQLite."""
    error = OperationalError("interrupted", code="SQLITE_INTERRUPT")
    error.conflict_action = "ROLLBACK"  # type: ignore[attr-defined]
    return error
