"""How PRAGMA reads the value it is given: as a number, a switch or a level, and never as a fault.

read_boolean("on")   True      read_boolean("2")   True      read_boolean("full")  False
read_integer("12x")  12        read_integer("abc")  0        read_integer("5000000000")  0
"""

from __future__ import annotations

import re

_LEADING_INTEGER = re.compile(r"[+-]?(?:0[xX][0-9A-Fa-f]+|[0-9]+)")
_LEVELS = {"on": 1, "yes": 1, "true": 1, "off": 0, "no": 0, "false": 0, "full": 2, "extra": 3}
INTEGER_MAX = 2**31 - 1


def read_integer(text: str) -> int:
    """The number at the beginning of the text; 0 if there is none, or none of 32 bits."""
    match = _LEADING_INTEGER.match(text)
    if match is None:
        return 0
    found = match[0]
    number = int(found, 16) if "x" in found.lower() else int(found)
    return number if abs(number) <= INTEGER_MAX else 0


def read_boolean(text: str) -> bool:
    """on, yes, true or a number other than 0."""
    level = read_level(text, words_max=1)
    return bool(level)


def read_safety_level(text: str, default: int) -> int:
    """off 0, on 1, full 2, extra 3, or the number itself."""
    level = read_level(text, words_max=3)
    return default if level is None else level


def read_level(text: str, words_max: int) -> int | None:
    if text[:1].isdigit():
        return read_integer(text) & 0xFF
    level = _LEVELS.get(text.lower())
    return level if level is not None and level <= words_max else None


def read_auto_vacuum(text: str) -> int:
    words = {"none": 0, "full": 1, "incremental": 2}
    number = words.get(text.lower(), read_integer(text))
    return number if 0 <= number <= 2 else 0


def read_temp_store(text: str) -> int:
    if text[:1] in ("0", "1", "2"):
        return int(text[0])
    return {"file": 1, "memory": 2}.get(text.lower(), 0)
