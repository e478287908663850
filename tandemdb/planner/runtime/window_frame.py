"""Window frames: in which order rows enter a frame, leave it, and get their value.

    ROWS 1 PRECEDING over rows 0 1 2        STEP 0   EMIT 0   STEP 1   EMIT 1   LEAVE 0   STEP 2   EMIT 2

The order is that of SQLite's own loop, for sums of reals depend on it: three cursors (where the frame starts, where it
ends, whose turn it is) walk over the groups of peers of one partition; for ROWS each row is a group. The walk is laid
down once as a tape, which every function of the window then plays. https://www.sqlite.org/windowfunctions.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from tandemdb.errors import OperationalError
from tandemdb.planner.runtime import values

STEP: Final = 0
LEAVE: Final = 1
EMIT: Final = 2
TEST_ORDER = {">=": values.greater_equal, ">": values.greater, "<=": values.less_equal, "<": values.less}
MIRRORED = {">=": "<=", ">": "<", "<=": ">="}

Tape = list[tuple[int, int, int]]
"""(STEP, LEAVE or EMIT, first row, row behind the last)."""


class Frame(NamedTuple):
    """A frame with its offsets known. `nulls_large`: the one ORDER BY key sorts NULLs where large values go."""

    unit: str
    start: str
    end: str
    start_offset: Any
    end_offset: Any
    exclude: str
    descending: bool = False
    nulls_large: bool = False

    @property
    def is_whole(self) -> bool:
        return self.start == "UNBOUNDED PRECEDING" and self.end == "UNBOUNDED FOLLOWING"

    @property
    def is_running(self) -> bool:
        return self.start == "UNBOUNDED PRECEDING" and self.end == "CURRENT ROW"

    @property
    def is_always_empty(self) -> bool:
        """BETWEEN 1 PRECEDING AND 2 PRECEDING and the like."""
        if self.unit == "RANGE" or self.start != self.end or self.start_offset is None:
            return False
        if self.start == "FOLLOWING":
            return bool(self.end_offset < self.start_offset)
        return bool(self.end_offset > self.start_offset)


def checked_frame(frame: Frame) -> Frame:
    """The frame with its offsets as numbers.

    Raises:
        OperationalError: one is negative, or not a number (RANGE) or integer.
    """
    start, end = frame.start_offset, frame.end_offset
    if frame.start in ("PRECEDING", "FOLLOWING"):
        start = checked_offset(start, "starting", frame.unit)
    if frame.end in ("PRECEDING", "FOLLOWING"):
        end = checked_offset(end, "ending", frame.unit)
    return frame._replace(start_offset=start, end_offset=end)


def checked_offset(value: Any, which: str, unit: str) -> int | float:
    number: Any = values.affinity_numeric(value)
    if unit == "RANGE":
        if type(number) in (int, float) and number >= 0:
            return number  # type: ignore[no-any-return]
        raise OperationalError(f"frame {which} offset must be a non-negative number", code="SQLITE_ERROR")
    whole = whole_number(number)
    if whole is None or whole < 0:
        raise OperationalError(f"frame {which} offset must be a non-negative integer", code="SQLITE_ERROR")
    return whole


def whole_number(value: Any) -> int | None:
    """The value as an integer if it is one, as a number or the text of one."""
    number = values.affinity_numeric(value)
    if type(number) is float and number.is_integer() and abs(number) < 2.0**63:
        return int(number)
    return number if type(number) is int else None


def frame_tape(frame: Frame, starts: Sequence[int], keys: Sequence[Any]) -> Tape:
    """The tape of one partition.

    `starts`: the first row of each group, and the number of rows; `keys`: the value of the one ORDER BY term in each
    group, for RANGE with offsets.
    """
    if frame.is_always_empty:
        return [(EMIT, first, first + 1) for first in range(starts[-1])]
    return FrameWalk(frame, starts, keys).run()


def row_bounds(frame: Frame, count: int) -> tuple[list[int], list[int]]:
    """Of a ROWS frame, the first row and the one behind the last, for each row."""
    lows = shifted(frame.start, frame.start_offset, count, 0)
    highs = shifted(frame.end, frame.end_offset, count, 1)
    return lows, highs


def shifted(bound: str, offset: Any, count: int, behind: int) -> list[int]:
    if bound == "UNBOUNDED PRECEDING":
        return [0] * count
    if bound == "UNBOUNDED FOLLOWING":
        return [count] * count
    if bound == "CURRENT ROW":
        return list(range(behind, count + behind))
    distance = min(offset, count)
    if bound == "PRECEDING":
        first = [0] * min(count, max(0, distance - behind))
        return [*first, *range(max(0, behind - distance), count + behind - distance)][:count]
    return [*range(min(count, distance + behind), count), *[count] * min(count, distance + behind)]


def tape_bounds(tape: Tape) -> tuple[list[int], list[int]]:
    """As `row_bounds`, of any frame: how many rows had left and entered when a row got its value."""
    lows: list[int] = []
    highs: list[int] = []
    low = high = 0
    for operation, first, behind in tape:
        if operation == STEP:
            high += behind - first
        elif operation == LEAVE:
            low += behind - first
        else:
            lows += [low] * (behind - first)
            highs += [high] * (behind - first)
    return lows, highs


class FrameWalk:
    """The three cursors over one partition's groups. A cursor equal to `seen` stands behind the last group there is."""

    def __init__(self, frame: Frame, starts: Sequence[int], keys: Sequence[Any]) -> None:
        self.frame = frame
        self.starts = starts
        self.keys = keys
        self.start = self.end = self.current = 0
        self.seen = 0
        self.reading = True
        self.tape: Tape = []
        self.start_count, self.end_count = frame.start_offset, frame.end_offset
        self.by_value = frame.unit == "RANGE"
        self.both_sides = frame.start == frame.end and self.by_value
        if frame.start == "FOLLOWING" and not self.by_value and self.end_count is not None:
            self.start_count = self.end_count - self.start_count

    def run(self) -> Tape:
        """Let each group arrive, then let the rest of the rows have their values."""
        count = len(self.starts) - 1
        for number in range(1, count):
            self.seen = number + 1
            self.arrive()
        self.seen = count
        self.reading = False
        self.flush()
        return self.tape

    def arrive(self) -> None:
        """What happens when a new group begins: all before it are complete."""
        frame = self.frame
        if frame.start == "FOLLOWING":
            self.step(None)
            if frame.end != "UNBOUNDED FOLLOWING":
                if self.by_value:
                    while not self.test(self.current, ">=", self.end_count, self.end):
                        self.leave(self.start_count)
                        self.emit(False)
                else:
                    self.emit(self.counted_down_end())
                    self.leave(self.start_count)
        elif frame.end == "PRECEDING":
            self.step_and_emit()
        else:
            self.step(None)
            if frame.end == "UNBOUNDED FOLLOWING":
                return
            if self.by_value and self.end_count is not None:
                while not self.test(self.current, ">=", self.end_count, self.end):
                    self.emit(False)
                    self.leave(self.start_count)
            elif not (self.end_count is not None and self.counted_down_end()):
                self.emit(False)
                self.leave(self.start_count)

    def step_and_emit(self) -> None:
        """A frame that ends before the current row."""
        leave_first = self.frame.start == "PRECEDING" and self.by_value
        self.step(self.end_count)
        if leave_first:
            self.leave(self.start_count)
        self.emit(False)
        if not leave_first and self.reading:
            self.leave(self.start_count)

    def flush(self) -> None:
        """The partition is complete."""
        frame = self.frame
        if frame.end == "PRECEDING":
            self.step_and_emit()
            return
        self.step(None)
        if frame.start != "FOLLOWING":
            while not self.emit(False):
                self.leave(self.start_count)
            return
        while True:
            if self.by_value:
                if self.leave(self.start_count):
                    break
                if self.emit(False):
                    return
            elif frame.end == "UNBOUNDED FOLLOWING":
                if self.emit(self.counted_down_start()):
                    return
                if self.leave(None):
                    break
            else:
                if self.emit(self.counted_down_end()):
                    return
                if self.leave(self.start_count):
                    break
        while not self.emit(False):
            pass

    # ---- the cursors' moves; each tells whether its cursor came to the end

    def step(self, offset: Any) -> bool:
        """Let the group at the end cursor enter the frame; by value, all that the offset lets in."""
        if offset is None:
            return self.enter()
        if not self.by_value:
            return False if self.counted_down_end() else self.enter()
        while not self.test(self.end, ">", self.end_count, self.current):
            if self.both_sides and self.reading and self.end >= self.seen - 1:
                return False
            if self.enter():
                return True
        return False

    def enter(self) -> bool:
        self.tape.append((STEP, self.starts[self.end], self.starts[self.end + 1]))
        self.end += 1
        return self.end >= self.seen

    def leave(self, offset: Any) -> bool:
        """Let the group at the start cursor leave the frame; by value, all that the offset drives out."""
        if self.frame.start == "UNBOUNDED PRECEDING":
            return False
        if offset is None:
            return self.go()
        if not self.by_value:
            return False if self.counted_down_start() else self.go()
        while not self.is_inside():
            if self.both_sides and self.end < self.seen and self.start >= self.end:
                return False
            if self.go():
                return True
        return False

    def is_inside(self) -> bool:
        if self.frame.start == "FOLLOWING":
            return self.test(self.current, "<=", self.start_count, self.start)
        return self.test(self.start, ">=", self.start_count, self.current)

    def go(self) -> bool:
        self.tape.append((LEAVE, self.starts[self.start], self.starts[self.start + 1]))
        self.start += 1
        return self.start >= self.seen

    def emit(self, skip: bool) -> bool:
        if skip:
            return False
        self.tape.append((EMIT, self.starts[self.current], self.starts[self.current + 1]))
        self.current += 1
        return self.current >= self.seen

    def counted_down_start(self) -> bool:
        """Whether the countdown to the first row that leaves still runs; one off it."""
        if self.start_count > 0:
            self.start_count -= 1
            return True
        return False

    def counted_down_end(self) -> bool:
        if self.end_count > 0:
            self.end_count -= 1
            return True
        return False

    # ---- values in order

    def test(self, left: int, operator: str, offset: Any, right: int) -> bool:
        """Whether `key of left + offset <operator> key of right`, in the direction of the sort; NULLs are alike."""
        one, other = self.key(left), self.key(right)
        add = values.add
        if self.frame.descending:
            operator, add = MIRRORED[operator], values.subtract
        if self.frame.nulls_large and (one is None or other is None):
            if other is None:
                return operator in ("<=", ">=") if one is None else operator in ("<=", "<")
            return operator in (">=", ">")
        if type(one) in (int, float):
            if operator in (">=", "<=") and (operator == ">=") != self.frame.descending:
                if TEST_ORDER[operator](one, other):
                    return True
            one = add(one, offset)
        if one is None or other is None:
            if one is None and other is None:
                return operator in (">=", "<=")
            return (operator in ("<=", "<")) == (one is None)
        return bool(TEST_ORDER[operator](one, other))

    def key(self, group: int) -> Any:
        return self.keys[group] if group < self.seen else None
