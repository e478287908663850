"""What the README, the documents and the examples say is so: their snippets run and their links lead somewhere.

    ```python    runs by itself; what it prints must be in the comments of its print calls:  print(1 + 1)  # 2
    ```py        is not run: a part of something larger
    ```sh        each line that calls `tandemdb` must succeed; each `make` must name a target that is there
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import runpy
import subprocess
import sys
import types
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"^\s*print\(.*\)  # (.*)$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


FOLLOWED = {ROOT / "docs" / "replication.md", ROOT / "docs" / "placements.md"}
"""Their commands serve until they are killed: `test_documents.py` and `test_stores.py` in `tests/replication` follow
them as an operator would."""


class Snippet(NamedTuple):
    """One fenced block: where it begins, its language, its text."""

    path: Path
    line: int
    language: str
    text: str


def snippets(*languages: str) -> list[object]:
    found = []
    for path in DOCUMENTS:
        if path in FOLLOWED:
            continue
        content = path.read_text(encoding="utf-8")
        for match in FENCE.finditer(content):
            if match[1] in languages:
                line = content.count("\n", 0, match.start()) + 1
                snippet = Snippet(path, line, match[1], match[2])
                found.append(pytest.param(snippet, id=f"{path.relative_to(ROOT)}:{line}"))
    return found


@pytest.fixture(autouse=True)
def registered_dialect() -> None:
    """Make the dialect known where the package is run from a checkout that was never installed."""
    with contextlib.suppress(ImportError):
        from sqlalchemy.dialects import registry

        registry.register("sqlite.tandemdb", "tandemdb.dialect", "TandemDialect")


@pytest.mark.parametrize("snippet", snippets("python"))
def test_python(snippet: Snippet, monkeypatch: pytest.MonkeyPatch) -> None:
    if "sqlalchemy" in snippet.text:
        pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
    out = io.StringIO()
    # As many newlines before it as there are lines: a traceback shows the document's line.
    code = compile("\n" * snippet.line + snippet.text, str(snippet.path), "exec")
    module = types.ModuleType("snippet")
    monkeypatch.setitem(sys.modules, "snippet", module)  # SQLAlchemy looks a model's annotations up there.
    with contextlib.redirect_stdout(out):
        exec(code, vars(module))
    assert out.getvalue().splitlines() == PRINTED.findall(snippet.text)


@pytest.mark.parametrize("snippet", snippets("sh"))
def test_shell(snippet: Snippet, tmp_path: Path) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for name, arguments in (("tandemdb", " -m tandemdb.cli"), ("python", "")):
        command = tmp_path / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n')
        command.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    for line in snippet.text.splitlines():
        if line.startswith("make "):
            assert line.split()[1] in targets
            continue
        assert "tandemdb" in line, f"neither make nor tandemdb: {line}"
        result = subprocess.run(line, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert result.returncode == 0, f"{line}\n{result.stdout[-500:]}{result.stderr}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    assert [link for link in LINK.findall(text) if not (path.parent / link).exists()] == []


def test_the_example_script_is_what_its_generator_writes() -> None:
    command = [sys.executable, str(ROOT / "examples" / "generate.py"), "--check"]
    assert subprocess.run(command).returncode == 0


def test_the_models_run(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
    runpy.run_path(str(ROOT / "examples" / "orm.py"), run_name="__main__")
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "Switzerland, Europe: French, German, Italian, Romansh"
    assert out[-2:] == ["Greek: Atlantis, Cyprus, Greece", "after the rollback: 193 countries"]


def test_the_tests_swapped_in_pass() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "examples/swap_in_tests.py"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_the_example_queries_answer_as_sqlite3_does() -> None:
    import sqlite3

    import tandemdb
    from tandemdb.cli.script import statements

    world = (ROOT / "examples" / "world.sql").read_text(encoding="utf-8")
    queries = (ROOT / "examples" / "queries.sql").read_text(encoding="utf-8")
    answers = []
    for module in (sqlite3, tandemdb):
        with contextlib.closing(module.connect(":memory:")) as connection:
            connection.executescript(world)
            answers.append([connection.execute(query.sql).fetchall() for query in statements("queries.sql", queries)])
    assert answers[1] == answers[0]
    assert all(answers[0])
