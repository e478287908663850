"""Ctrl-C and SIGTERM, for commands that serve until they are stopped.

    hear()                      from now on each raises KeyboardInterrupt, wherever the start is: exit status 130
    run_until_stopped(ready)    ready is printed; from now on each ends the wait: exit status 0

What is raised anywhere may be taken for something else, or for nothing: a module's import makes a RuntimeError of it, a
weak reference's callback only prints it. So what was heard is noted, too. A container's first process would not hear
SIGTERM otherwise.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from queue import Empty, SimpleQueue
from typing import NoReturn

# On Windows a wait ends before a signal is heard.
LOOK_SECONDS = 1.0
AGAIN_SECONDS = 0.02

heard: list[int] = []
"""The signals that have come before all was ready."""


def hear() -> None:
    """Let Ctrl-C and SIGTERM end what is done before all is ready."""
    sys.unraisablehook = say_again
    listen(interrupt)


def run_until_stopped(ready: str) -> None:
    """Print that all is ready, and wait for SIGTERM or Ctrl-C.

    Raises:
        KeyboardInterrupt: one has come before.
    """
    # Not an Event: a handler that runs while the same thread is about to wait for one would wait for its lock for ever.
    stopped: SimpleQueue[int] = SimpleQueue()
    listen(lambda number, _: stopped.put(number))
    if heard:
        raise KeyboardInterrupt
    print(ready, flush=True)
    while True:
        try:
            stopped.get(timeout=LOOK_SECONDS)
            return
        except Empty:
            continue


def listen(handler: signal._HANDLER) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handler)


def interrupt(number: int, frame: object) -> NoReturn:
    heard.append(number)
    raise KeyboardInterrupt


def say_again(unraisable: sys.UnraisableHookArgs) -> None:
    """Interrupt again in a moment if that came where nobody could be told."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        again = threading.Timer(AGAIN_SECONDS, interrupt_main_thread)
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(unraisable)


def interrupt_main_thread() -> None:
    """Send the signal of Ctrl-C to the main thread, which may sleep."""
    main = threading.main_thread().ident
    if sys.platform == "win32" or main is None:
        _thread.interrupt_main()
    else:
        signal.pthread_kill(main, signal.SIGINT)
