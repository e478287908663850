"""Where a generator's decisions come from: a seeded random number generator, or Hypothesis.

    choices.number(0, 9)      an integer
    choices.one_of(a, b, c)   one of these
    choices.chance(1, 4)      true one time in four

Both kinds choose the first alternative when in doubt (Hypothesis shrinks towards it), so simple things are named first.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Thing = TypeVar("Thing")


class Choices:
    """Decisions drawn from `integer(low, high)`."""

    def __init__(self, integer: Callable[[int, int], int]) -> None:
        self.number = integer

    def one_of(self, *things: Thing) -> Thing:
        return things[self.number(0, len(things) - 1)]

    def of(self, things: Sequence[Thing]) -> Thing:
        return things[self.number(0, len(things) - 1)]

    def chance(self, hits: int, out_of: int) -> bool:
        return self.number(1, out_of) > out_of - hits

    def weighted(self, *pairs: tuple[int, Thing]) -> Thing:
        """Pick by weight: `weighted((3, often), (1, seldom))`."""
        place = self.number(1, sum(weight for weight, _ in pairs))
        for weight, thing in pairs:
            place -= weight
            if place <= 0:
                return thing
        raise AssertionError("weights exhausted")

    def sample(self, things: Sequence[Thing], least: int, most: int) -> list[Thing]:
        """Pick between `least` and `most` different ones, in any order."""
        left = list(things)
        count = self.number(min(least, len(left)), min(most, len(left)))
        return [left.pop(self.number(0, len(left) - 1)) for _ in range(count)]

    def times(self, low: int, high: int, make: Callable[[], Thing]) -> list[Thing]:
        return [make() for _ in range(self.number(low, high))]


def from_seed(seed: int | str) -> Choices:
    """Decisions that a seed repeats exactly."""
    return Choices(random.Random(seed).randint)


def from_hypothesis(data: Any) -> Choices:
    """Decisions drawn from Hypothesis's `data()`, which shrinks them."""
    from hypothesis import strategies

    return Choices(lambda low, high: data.draw(strategies.integers(low, high)))
