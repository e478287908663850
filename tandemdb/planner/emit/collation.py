"""Collations in generated code: the function that gives what a text is compared as.

    BINARY            None                          the text itself
    NOCASE            nocase_key                    a function of ours
    FR                collation_fr_1                of the connection's own: asked for by name when the plan runs
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tandemdb.planner.emit.writer import Code, Generator
from tandemdb.planner.functions.registry import AggregateFunction, ScalarFunction
from tandemdb.planner.runtime import values


def collation_function(generator: Generator, collation: str) -> str | None:
    """The name of a collation's key function; None for BINARY."""
    if collation == "BINARY":
        return None
    function = values.COLLATION_KEYS.get(collation)
    if function is not None:
        return generator.helper(function)
    generator.needs_context = True
    label = collation.lower() if collation.isidentifier() and collation.isascii() else "own"
    return generator.hoist(Code(f"context.collation_key_function({collation!r})"), f"collation_{label}").text


def collated_call(
    generator: Generator, function: ScalarFunction | AggregateFunction, collation: str, name: str
) -> str:
    """The name of what to call for a function that compares its arguments by a collation."""
    key = values.COLLATION_KEYS.get(collation)
    if collation == "BINARY" or key is not None or function.make_collated is None:
        chosen = function if key is None or collation == "BINARY" else function.collated(key)
        return generator.helper(call_of(chosen), name)
    generator.needs_context = True
    made = generator.helper(call_under_collation)
    own = generator.helper(function, f"{name}_function")
    return generator.hoist(Code(f"{made}({own}, {collation_function(generator, collation)})"), name).text


def call_under_collation(function: ScalarFunction | AggregateFunction, key: Callable[[Any], Any]) -> Callable[..., Any]:
    return call_of(function.collated(key))


def call_of(function: ScalarFunction | AggregateFunction) -> Callable[..., Any]:
    return function.call if isinstance(function, ScalarFunction) else function.finish
