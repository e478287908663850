"""A progress bar on standard error, for scripts that take long enough to wonder about.

    world.sql  ━━━━━━━━━━━━━━━━━━━━━━━━╺━━━━━━━━━━━━━━  62% 0:00:03

Only at a terminal, only with rich installed, and only once the script has taken DELAY_SECONDS: a bar that
flashes by tells nobody anything, and importing rich takes longer than most scripts.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

DELAY_SECONDS = 0.5
INTERVAL_SECONDS = 0.1


class ProgressBar:
    """A context manager; `advance(done)` says how many of `total` characters of the script are behind us."""

    def __init__(self, title: str, total: int) -> None:
        """Prepare a bar; nothing is shown yet."""
        self._title = title
        self._total = total
        self._next_seconds = time.monotonic() + DELAY_SECONDS if sys.stderr.isatty() else float("inf")
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> ProgressBar:
        return self

    def advance(self, done: int) -> None:
        """Show how far the script has come, if it is time to."""
        now = time.monotonic()
        if now < self._next_seconds:
            return
        self._next_seconds = now + INTERVAL_SECONDS
        if self._bar is None and not self._start():
            self._next_seconds = float("inf")
            return
        self._bar.update(self._task, completed=done)

    def hide(self) -> None:
        """Take the bar off the screen, as before printing a result; the next `advance` shows it again."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.hide()

    def _start(self) -> bool:
        try:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
        except ImportError:
            return False
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(self._title, total=self._total)
        self._bar.start()
        return True
