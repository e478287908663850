"""Turns: threads of which one runs at a time, so that what they do together always goes the same way.

    driver  start(work) ------.        resume(task) ------.         whoever drives says who goes on, and when
    thread                    '-> pause()                 '-> ends  a task gives its turn away where it waits
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Task:
    """A thread's work. `due` is when it wants to go on."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work
        self.due = 0.0
        self.done = False
        self.error: BaseException | None = None
        self.turn = taken_lock()


class Turns:
    """Runs tasks by turns; all calls but `pause` are the driver's."""

    def __init__(self) -> None:
        self._current: Task | None = None
        self._back = taken_lock()

    @property
    def is_task(self) -> bool:
        """Whether the caller is a task, not the driver."""
        return self._current is not None

    @property
    def current(self) -> Task | None:
        """The task whose turn it is, None for the driver."""
        return self._current

    def start(self, work: Callable[[], None]) -> Task:
        """Begin a task and let it run until it pauses or ends."""
        task = Task(work)
        threading.Thread(target=self._run, args=(task,), name="tandemdb simulated writer", daemon=True).start()
        self.resume(task)
        return task

    def resume(self, task: Task) -> None:
        """Let a task run until it pauses or ends.

        Raises:
            what its work raised.
        """
        self._current = task
        task.turn.release()
        self._back.acquire()
        self._current = None
        if task.error is not None:
            raise task.error

    def pause(self, due: float) -> None:
        """Give the turn back, in a task; it goes on when the driver says so."""
        task = self._current
        assert task is not None
        task.due = due
        self._back.release()
        task.turn.acquire()

    def _run(self, task: Task) -> None:
        task.turn.acquire()
        try:
            task.work()
        except BaseException as error:
            task.error = error
        task.done = True
        self._back.release()


def taken_lock() -> threading.Lock:
    """Return a lock to wait at until another thread lets go of it: a semaphore in Python takes three times as long."""
    lock = threading.Lock()
    lock.acquire()
    return lock
