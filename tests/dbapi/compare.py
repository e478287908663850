"""The oracle: one script of calls, run on sqlite3 and on tandemdb, its log compared line by line.

    @case                                  log on sqlite3                    log on tandemdb
    def closing(db, do):
        con = db.connect(":memory:")
        do(con.close)                      None                              None
        do(con.execute, "select 1")        ! ProgrammingError: Cannot ...    ! ProgrammingError: Cannot ...

`do` calls and logs the result, or the error's class, text and sqlite_errorname, and each warning.
"""

from __future__ import annotations

import difflib
import re
import sqlite3
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import tandemdb
from tandemdb.dbapi import parameters

Script = Callable[[Any, Callable[..., Any]], None]
own_only: set[Script] = set()
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
THREAD = re.compile(r"thread id -?\d+")


class Log:
    """Calls functions and keeps what comes of it, in words that do not tell the modules apart."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = function(*arguments, **named)
                line = neutral(repr(result))
            except Exception as error:
                result = None
                code = getattr(error, "sqlite_errorname", None)
                line = f"! {type(error).__name__}: {neutral(str(error))}" + (f" [{code}]" if code else "")
        self.lines.append(line)
        self.lines += [
            f"  warning: {warning.category.__name__}: {neutral(str(warning.message))}"
            for warning in caught
            if not issubclass(warning.category, ResourceWarning)
        ]
        return result


def neutral(text: str) -> str:
    """Take addresses, thread numbers and the module's name out of a text."""
    text = THREAD.sub("thread id N", ADDRESS.sub("", text))
    return text.replace("tandemdb.", "sqlite3.").replace("'tandemdb'", "'sqlite3'")


def run(script: Script, module: ModuleType) -> list[str]:
    """Return the log of a script on one of the modules."""
    log = Log()
    script(module, log)
    return log.lines


def own_engine_only(script: Script) -> Script:
    """Mark a script for which SQLite's engine, behind its own driver, cannot tell the driver all it needs."""
    own_only.add(script)
    return script


def check(script: Script, engine: str) -> None:
    """Run the script on both and compare."""
    if engine == "sqlite" and script in own_only:
        pytest.skip("needs what only tandemdb's session tells, such as declared types of result columns")
    expected = run_alone(script, sqlite3)
    found = run_alone(script, tandemdb)
    lines = difflib.unified_diff(expected, found, "sqlite3", "tandemdb", lineterm="", n=1)
    assert found == expected, "\n" + "\n".join(lines)


def run_alone(script: Script, module: ModuleType) -> list[str]:
    """As `run`; adapters and converters that the script registers are gone afterwards."""
    adapters, converters = dict(sqlite3.adapters), dict(sqlite3.converters)
    adapted = parameters.base_types_adapted
    try:
        return run(script, module)
    finally:
        for registry, before in ((sqlite3.adapters, adapters), (sqlite3.converters, converters)):
            registry.clear()
            registry.update(before)
        parameters.base_types_adapted = adapted  # else later tests would go the slow road only
