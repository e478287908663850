"""json_group_array and json_group_object.

finish([1, 'a'])              '[1,"a"]'
finish([('k', 1)])            '{"k":1}'          a NULL label is left out, its colon is not: SQLite's own
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from tandemdb.planner.functions.json_document import json_of, quote_text
from tandemdb.planner.functions.registry import AggregateFunction, JsonText
from tandemdb.planner.runtime.values import to_text
from tandemdb.storage.values import HOLDS_TEXT, Value


def finish_array(values: Sequence[Value]) -> JsonText:
    """json_group_array(X)."""
    return JsonText(f"[{','.join(map(json_of, values))}]")


def finish_object(members: Sequence[tuple[Value, Value]]) -> JsonText:
    """json_group_object(LABEL, X)."""
    return JsonText("{" + ",".join([member_of(label, value) for label, value in members]) + "}")


def member_of(label: Value, value: Value) -> str:
    """Write one member of an object."""
    return f"{'' if label is None else quote_text(to_text(label))}:{json_of(value)}"


class Members:
    """The elements of an array, or members of an object, in a frame."""

    brackets = "[]"

    def __init__(self) -> None:
        self.texts: deque[str] = deque()

    def step(self, *arguments: Any) -> None:
        self.texts.append(json_of(arguments[0]))

    def inverse(self, *arguments: Any) -> None:
        self.texts.popleft()

    def value(self) -> JsonText:
        return JsonText(self.brackets[0] + ",".join(self.texts) + self.brackets[1])


class ObjectMembers(Members):
    """The members of an object in a frame."""

    brackets = "{}"

    def step(self, *arguments: Any) -> None:
        self.texts.append(member_of(*arguments))


AGGREGATE_FUNCTIONS = {
    function.name: function
    for function in (
        AggregateFunction("json_group_array", 1, 1, finish_array, Members, JsonText("[]"), HOLDS_TEXT, makes_json=True),
        AggregateFunction(
            "json_group_object", 2, 2, finish_object, ObjectMembers, JsonText("{}"), HOLDS_TEXT, makes_json=True
        ),
    )
}
