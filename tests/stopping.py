"""Work that is stopped before a line of some code, as an interrupt may stop it."""

from __future__ import annotations

import dis
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import tandemdb

PACKAGE = str(Path(tandemdb.__file__).parent)
LOOKS = {dis.opmap[name] for name in ("CALL", "CALL_FUNCTION_EX", "CALL_KW", "JUMP_BACKWARD") if name in dis.opmap}


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


class Interruption:
    """Interrupts work when CPython has looked for signals so often: where a function begins, behind calls, in loops."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.looked = 0
        self.where = ""
        self._last: dict[int, int] = {}

    def __call__(self, work: Callable[[], Any]) -> Any:
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            return work()
        finally:
            sys.settrace(before)

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if self.where or not code.co_filename.startswith((PACKAGE, "<tandemdb")):
            return None
        looks = event == "call"
        if looks:
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
            self._last.pop(id(frame), None)
        elif event == "opcode":
            last = self._last.get(id(frame))
            looks = last is not None and code.co_code[last] in LOOKS
            # It is raised here before the next step, by CPython in the one that has looked: the same, if both are
            # within the same `try` or `with`.
            looks = looks and handler_of(code, last) == handler_of(code, frame.f_lasti)
            self._last[id(frame)] = frame.f_lasti
        if looks:
            self.looked += 1
            self.left -= 1
            if self.left < 0:
                self.where = f"{code.co_filename}:{frame.f_lineno} {code.co_name}"
                raise KeyboardInterrupt
        return self._trace


def handler_of(code: CodeType, offset: int) -> int | None:
    """Find out where an exception goes that is raised at this step, None: to the caller."""
    return next((target for start, end, target in handlers_of(code) if start <= offset < end), None)


@functools.cache
def handlers_of(code: CodeType) -> list[tuple[int, int, int]]:
    return [(entry.start, entry.end, entry.target) for entry in dis._parse_exception_table(code)]  # type: ignore[attr-defined]
