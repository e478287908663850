"""Makes a failing script small: statements are left out, then pieces of those that remain.

while something shrinks:
    leave out runs of statements, long runs first
    replace fragments by simpler ones
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from .fragment import simpler
from .script import Script

Fails = Callable[[Script], bool]


def reduce(script: Script, fails: Fails, seconds: float = 20.0) -> Script:
    """Return the smallest script found, within `seconds`, for which `fails` still holds."""
    deadline = time.monotonic() + seconds
    shrinking = True
    while shrinking and time.monotonic() < deadline:
        shrinking = False
        for candidates in (shorter, plainer):
            found = True
            while found and time.monotonic() < deadline:
                found = False
                for candidate in candidates(script):
                    if time.monotonic() > deadline:
                        break
                    if fails(candidate):
                        script, found, shrinking = candidate, True, True
                        break
    return script


def shorter(script: Script) -> Iterator[Script]:
    """Yield the script without some of its statements."""
    count = len(script.statements)
    length = count // 2
    while length:
        for start in range(count - length, -1, -length):
            yield Script(script.statements[:start] + script.statements[start + length :])
        length //= 2


def plainer(script: Script) -> Iterator[Script]:
    """Yield the script with one statement made simpler, the last ones first."""
    for place in range(len(script.statements) - 1, -1, -1):
        statement = script.statements[place]
        for text in simpler(statement.text):
            smaller = statement._replace(text=text)
            yield Script((*script.statements[:place], smaller, *script.statements[place + 1 :]))
