"""What a JSON function found at one path, remembered by text: rows are asked again far more often than they change.

    found_at("json_extract", "$.size")   ->   Found {'{"size": 4}': 4, '{"size": [1]}': '[1]'}

    found_1[document_0[1]]               a dictionary look-up; a text not seen before is read

Only texts are remembered, for 1 and 1.0 are one key of a dictionary and not one value. What is remembered is bounded,
and forgotten all at once: a table larger than that is read anew by each scan, at no more than it costs without.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from tandemdb.planner.functions import json_functions
from tandemdb.planner.functions.registry import plain
from tandemdb.storage.values import Value

CHARACTERS_MAX = 2_000_000
"""So many characters of texts are remembered for each path."""
ENTRY_CHARACTERS = 100
"""What an entry takes besides its text, counted as characters."""
PATHS_MAX = 32

FUNCTIONS: Final[dict[str, Callable[[Value, Value], Value]]] = {
    "json_extract": json_functions.json_extract,
    "->": json_functions.arrow,
    "->>": json_functions.double_arrow,
    "json_type": json_functions.json_type,
    "json_array_length": json_functions.json_array_length,
}


class Found(dict[Value, Value]):
    """One function's results at one path, JSON as plain text; reading a key computes what is not there yet."""

    __slots__ = ("function", "path", "room")

    def __init__(self, function: Callable[[Value, Value], Value], path: Value) -> None:
        super().__init__()
        self.function = function
        self.path = path
        self.room = CHARACTERS_MAX

    def __missing__(self, value: Value) -> Value:
        found = plain(self.function(value, self.path))
        if type(value) is str:
            size = len(value) + ENTRY_CHARACTERS
            if type(found) is str:
                size += len(found)
            self.room -= size
            if self.room < 0:
                self.clear()
                self.room = CHARACTERS_MAX - size
            if size <= CHARACTERS_MAX:
                self[value] = found
        return found


@lru_cache(maxsize=PATHS_MAX, typed=True)
def found_at(name: str, path: Value) -> Found:
    """What a function has found at a path so far; shared by all statements."""
    return Found(FUNCTIONS[name], path)
