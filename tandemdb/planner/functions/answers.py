"""What a function has answered in one execution, by the one argument that differs from row to row.

    Answers(context, strftime, ('%Y',), ())   ->   {'2023-05-06 10:00:00': '2023', ...}

    answers_1[order_0[4]]                     a dictionary look-up; the function is called for what was not asked before

For functions that cost much more than a look-up and are asked for the same values again and again: those of dates.
1 and 1.0 are one key, so only functions that make no difference between them may be asked here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tandemdb.storage.values import Value

ANSWERS_MAX = 10_000


class Answers(dict[Value, Any]):
    """The answers of one function with all arguments but one the same; reading a key asks for what is not there."""

    __slots__ = ("context", "function", "before", "behind")

    def __init__(
        self, context: Any, function: Callable[..., Any], before: tuple[Value, ...], behind: tuple[Value, ...]
    ) -> None:
        super().__init__()
        self.context = context
        self.function = function
        self.before = before
        self.behind = behind

    def __missing__(self, value: Value) -> Any:
        found = self.function(self.context, *self.before, value, *self.behind)
        if len(self) < ANSWERS_MAX:
            self[value] = found
        return found
