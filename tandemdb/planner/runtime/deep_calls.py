"""Python's limit of nested calls, raised while triggers fire each other deeply.

    depth of triggers   0 ... 25                      the interpreter's own limit holds
                             26 ... 1000              limit + CALLS_DEEP, for as long as any session is that deep

A level of triggers takes a few Python calls, none of which uses the C stack; a thousand levels are more than the usual
limit allows. The limit belongs to the whole interpreter, so sessions that are deep at the same time are counted.
"""

from __future__ import annotations

import sys
from threading import Lock

CALLS_DEEP = 16_000
"""Calls that a thousand levels may need, with a margin."""

_lock = Lock()
_deep = 0


def allow() -> None:
    """Raise the limit until `disallow`."""
    global _deep
    with _lock:
        if _deep == 0:
            sys.setrecursionlimit(sys.getrecursionlimit() + CALLS_DEEP)
        _deep += 1


def disallow() -> None:
    """Take back one `allow`; the last one restores the limit."""
    global _deep
    with _lock:
        _deep -= 1
        if _deep == 0:
            sys.setrecursionlimit(sys.getrecursionlimit() - CALLS_DEEP)
