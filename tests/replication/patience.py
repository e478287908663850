"""Nodes that wait longer for each other than users' do: on a busy machine all stands still at times.

    in the tests' process        `apply`, for each test: see conftest.py
    in a process of its own      python -m tests.replication.patience MODULE ARGUMENTS runs a module so

What does not answer is lost after SECONDS, as it is after two seconds otherwise. A test of that chooses its own time,
or has a clock of its own: secondaries in the same process are as they always are.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tandemdb.replication import linking, node, roles
from tandemdb.replication.core.limits import Limits
from tandemdb.replication.publisher import Publisher
from tandemdb.replication.system import System
from tandemdb.storage import Database

SECONDS = 30.0
# For `attach` and `replicate_to`, where the secondary is in the same process and time is the real one.
IN_PROCESS: dict[str, Any] = {"timeout_seconds": SECONDS, "dead_seconds": SECONDS}


def apply(set_attribute: Callable[[Any, str, Any], None]) -> None:
    """Be patient with nodes from now on; `set_attribute` is setattr, or a fixture's, which takes it back."""
    set_attribute(linking, "publisher_of", patient_publisher_of)
    set_attribute(node, "HAND_OVER_SECONDS", SECONDS)
    set_attribute(node, "LEVEL_SECONDS", SECONDS)


def patient_publisher_of(
    primary: Database,
    system: System,
    limits: Limits,
    timeout_seconds: float,
    clock: Callable[[], float],
    pause: Callable[[float], None] | None,
) -> Publisher:
    if limits.dead_seconds == Limits.dead_seconds:
        limits = replace(limits, dead_seconds=SECONDS)
    return roles.publisher_of(primary, system, limits, max(timeout_seconds, SECONDS), clock, pause)


if __name__ == "__main__":
    apply(setattr)
    module = sys.argv.pop(1)
    if module == "tandemdb.cli":
        from tandemdb.cli import serve

        serve.FOLLOW_SECONDS = SECONDS
        sys.argv[0] = "tandemdb"
    runpy.run_module(module, run_name="__main__")
