"""coverage: what a run measured, kept in .coverage files and combined."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coverage import CoverageData


def play(directory: Path, driver: str) -> Iterator[Any]:
    first = CoverageData(str(directory / ".coverage.first"))
    first.set_context("test one")
    first.add_lines({"a.py": [1, 2, 5], "b.py": [10]})
    first.set_context("test two")
    first.add_lines({"a.py": [2, 300]})
    first.add_file_tracers({"b.py": "plugin"})
    first.write()
    second = CoverageData(str(directory / ".coverage.second"))
    second.set_context("test three")
    second.add_lines({"a.py": [7], "c.py": [1]})
    second.write()
    both = CoverageData(str(directory / ".coverage"))
    for part in (first, second):
        both.update(part)
    both.write()
    both.close()
    again = CoverageData(str(directory / ".coverage"))
    again.read()
    yield [
        sorted(again.measured_files()),
        sorted(again.measured_contexts()),
        again.file_tracer("b.py"),
        again.has_arcs(),
    ]
    yield [sorted(again.lines(name) or ()) for name in ("a.py", "b.py", "c.py")]
    yield {line: sorted(contexts) for line, contexts in sorted(again.contexts_by_lineno("a.py").items())}
    again.set_query_contexts(["test t.*"])
    yield sorted(again.lines("a.py") or ())
    again.purge_files(["a.py"])
    yield again.lines("a.py")
    copy = CoverageData(no_disk=True)
    copy.loads(first.dumps())
    yield sorted(copy.measured_files())
    again.close()
    again.erase()
