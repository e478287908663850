"""What a function of dates has answered, by the one argument that differs from row to row.

    Answers(context, strftime, ('%Y',), ())   ->   {'2023-05-06 10:00:00': '2023', ...}      of one execution
                                                    shared {'2023-05-06 10:00:00': '2023', ...}      of all of them

    answers_1[order_0[4]]                     a dictionary look-up; the function is called for what was not asked before

For functions that cost much more than a look-up and are asked for the same values again and again. What is written out
in a text means the same at any time, and is shared by all executions; 'now' and what a zone decides is not. 1 and 1.0
are one key, so only functions that make no difference between them may be asked here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from tandemdb.storage.values import Value

ANSWERS_MAX = 10_000
FUNCTIONS_MAX = 32
"""Of so many functions, each with its constant arguments, answers are shared."""
OF_A_ZONE = ("local", "utc")
"""What modifiers have in them whose answer depends on where and when they are asked."""


class Answers(dict[Value, Any]):
    """The answers of one function with all arguments but one the same; reading a key asks for what is not there."""

    __slots__ = ("context", "function", "before", "behind", "shared")

    def __init__(
        self, context: Any, function: Callable[..., Any], before: tuple[Value, ...], behind: tuple[Value, ...]
    ) -> None:
        super().__init__()
        self.context = context
        self.function = function
        self.before = before
        self.behind = behind
        # Told apart by how they are written: 1 and 1.0 are equal, as parts of a tuple too.
        written = repr(behind)
        zoned = any(word in written.lower() for word in OF_A_ZONE)
        self.shared = None if zoned else shared_answers(function, repr(before), written)

    def __missing__(self, value: Value) -> Any:
        shared = self.shared
        if shared is not None and value in shared and type(value) is str:
            found = shared[value]
        else:
            found = self.function(self.context, *self.before, value, *self.behind)
            if shared is not None and type(value) is str and value[:1].isdecimal():
                if len(shared) >= ANSWERS_MAX:
                    shared.clear()
                shared[value] = found
        if len(self) < ANSWERS_MAX:
            self[value] = found
        return found


@lru_cache(maxsize=FUNCTIONS_MAX)
def shared_answers(function: Callable[..., Any], before: str, behind: str) -> dict[str, Any]:
    """What a function with these arguments has answered to texts that begin with a digit."""
    return {}
