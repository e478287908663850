"""Python's cyclic garbage collector, held while many records are made: they live on, and it would walk them in vain."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


class collector_paused:
    """Hold the collector for a while; it goes on only if it was on. A class, for it costs 0.2 µs, a generator 1."""

    __slots__ = ("was_on",)

    def __enter__(self) -> None:
        self.was_on = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self.was_on:
            gc.enable()


def with_collector_paused(run: Callable[[Any, Any, Any], Result]) -> Callable[[Any, Any, Any], Result]:
    """The function of a plan, run with the collector held: 0.15 µs, for plans that may read much.

    Of threads that hold it at the same time, those that found it on put it on again, so that it never stays off.
    """
    is_on, hold, go_on = gc.isenabled, gc.disable, gc.enable

    def run_held(roots: Any, params: Any, context: Any) -> Result:
        if not is_on():
            return run(roots, params, context)
        try:
            hold()
            return run(roots, params, context)
        finally:
            go_on()

    return run_held
