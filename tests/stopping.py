"""Work that is stopped before a line of some code, as an interrupt may stop it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


class Stop(BaseException):
    """What interrupts a change, as KeyboardInterrupt would."""


def stopped_at(line: int, counts: Callable[[str], bool], work: Callable[[], Any]) -> bool:
    """Do `work`, stopped before so many lines of the code in the files that count have run; tell whether it was."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if not counts(frame.f_code.co_filename):
            return None
        if event == "line":
            count += 1
            if count > line:
                raise Stop
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except Stop:
        return True
    finally:
        sys.settrace(before)
    return False
