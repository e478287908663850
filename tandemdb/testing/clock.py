"""A clock that only moves when somebody waits, so that a test of faults takes no time and always goes the same way."""

from __future__ import annotations

STEP_SECONDS = 0.0005


class VirtualClock:
    """Seconds since the test began; calling it tells the time, as `time.monotonic` does."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        """Let time pass, a little at least: whoever waits for nothing must not wait for ever."""
        self.now += max(seconds, STEP_SECONDS)
