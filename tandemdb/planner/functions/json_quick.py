"""One atom out of a JSON text, by the C scanner of the standard library.

    '{"a": [1, 2.50]}'   scan   (("a", [1, Real("2.50")]),)      an object is a tuple of pairs, so that the first of two
    '$.a[1]'             steps  ("a", 1)                          equal labels is found, as SQLite finds it

`json_document` keeps every character of a text, as most JSON functions need; what is asked for most, a number or a
string at a plain path of a text without escapes, needs none of that. Whatever else a text or path has is left to it,
and so is every error.
"""

from __future__ import annotations

import re
from functools import lru_cache
from json import JSONDecoder
from typing import Any, Final

from tandemdb.planner.runtime.reals import text_to_real
from tandemdb.planner.runtime.values import INTEGER_MAX, INTEGER_MIN
from tandemdb.storage.values import Value

OTHERWISE: Final = object()
"""The answer where the text or the path asks for more than is done here."""
PLAIN_PATH = re.compile(r"\$((?:\.[A-Za-z_][0-9A-Za-z_]*+|\[[0-9]{1,9}\])*+)\Z")
STEP = re.compile(r"\.([^.\[]+)|\[([0-9]+)\]")
BLANKS = " \t\n\r"
last: tuple[str | None, Any] = (None, None)
"""The text read last, and its document."""


def quick_value(text: str, path: str) -> Value | object:
    """The SQL value of the atom at a path, None where there is nothing; OTHERWISE if `json_document` must look."""
    steps = steps_of(path)
    if steps is None:
        return OTHERWISE
    found: Any = read(text)
    if found is OTHERWISE:
        return OTHERWISE  # type: ignore[no-any-return]
    for step in steps:
        if isinstance(step, str):
            if type(found) is not tuple:
                return None
            for label, item in found:
                if label == step:
                    found = item
                    break
            else:
                return None
        elif type(found) is not list or step >= len(found):
            return None
        else:
            found = found[step]
    return atom(found)


def read(text: str) -> Any:
    """A text's document, OTHERWISE if none can be read here. A row's is often asked for several paths."""
    global last
    known, found = last
    if known is text:
        return found
    if "\\" in text or "\0" in text:
        return OTHERWISE
    stripped = text.strip(BLANKS)
    try:
        found, end = scan(stripped, 0)
    except (ValueError, StopIteration, RecursionError):
        return OTHERWISE
    if end != len(stripped):
        return OTHERWISE
    last = text, found
    return found


def atom(found: Any) -> Value | object:
    kind = type(found)
    if kind is str or found is None:
        return found  # type: ignore[no-any-return]
    if kind is int:
        return found if INTEGER_MIN <= found <= INTEGER_MAX else OTHERWISE
    if kind is Real:
        return text_to_real(str(found))
    return int(found) if kind is bool else OTHERWISE


class Real(str):
    """The source of a number with a fraction or an exponent."""

    __slots__ = ()


def refuse(word: str) -> Any:
    """NaN and Infinity are no JSON."""
    raise ValueError(word)


scan = JSONDecoder(object_pairs_hook=tuple, parse_float=Real, parse_constant=refuse).scan_once  # type: ignore[attr-defined]


@lru_cache(maxsize=256)
def steps_of(path: str) -> tuple[str | int, ...] | None:
    """The labels and indexes of a plain path; None for any other."""
    if PLAIN_PATH.match(path) is None:
        return None
    return tuple(label or int(index) for label, index in STEP.findall(path))
