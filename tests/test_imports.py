"""Imports point one way: each part of the package may import only parts that stand below it.

    cli, dialect --> dbapi --> planner ------> storage --> errors
                       +-----> replication ------+

Read with `ast`, nothing is imported. Imports under TYPE_CHECKING count as arrows too, for what a part's types name it
knows of; they don't count as cycles, as they never run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "tandemdb"
ROOT = PACKAGE.parent

# Each part and those that it may import besides itself; "" is tandemdb/__init__.py, `import tandemdb`.
BELOW: dict[str, set[str]] = {
    "errors": set(),
    "storage": {"errors"},
    "replication": {"errors", "storage"},
    "planner": {"errors", "storage"},
    "dbapi": {"errors", "storage", "replication", "planner"},
    "": {"errors", "storage", "replication", "planner", "dbapi"},
    # From here on, users of the package: they come in through its front door.
    "dialect": {"errors", "dbapi", ""},
    "django": {"errors", "dbapi", ""},
    "pytest_plugin": {""},
    "testing": {"errors", "storage", "replication", "dbapi", ""},
    "cli": {"errors", "dbapi", "planner", ""},  # of planner, the splitter of scripts
    "__main__": {"cli"},
}
# Arrows that point back, each with its reason.
EXCEPTIONS = {
    ("tandemdb.dbapi.install", "tandemdb"): "install() puts the front door in sqlite3's place, when called",
}
WORKPLACE_PATH = re.compile(r"""["'\s=(](/work|/tmp|/home|/root|/Users)/""")
SHARED_DATA = re.compile(r"\.\./shared|TANDEMDB_SHARED")


class Import(NamedTuple):
    """One import statement's module: where it stands, what it names, and whether it runs with the module."""

    path: Path
    line: int
    module: str
    at_import: bool


def package_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[Import]:
    """Yield the imports of tandemdb's own modules in a file; relative ones are made absolute."""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node, at_import in walk(ast.parse(path.read_text(encoding="utf-8")), True):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [submodule(module, alias.name) for alias in node.names]
        for name in names:
            if name.split(".")[0] == "tandemdb":
                yield Import(path, node.lineno, name, at_import)


def walk(node: ast.AST, at_import: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Yield imports, saying of each whether it runs when the module is imported: not in functions, not for types."""
    for child in ast.iter_child_nodes(node):
        runs = at_import and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            runs = False
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child, at_import
        else:
            yield from walk(child, runs)


def submodule(module: str, name: str) -> str:
    """Return what `from module import name` loads: module.name if that is a module."""
    path = ROOT.joinpath(*module.split("."), name)
    return f"{module}.{name}" if path.is_dir() or path.with_suffix(".py").exists() else module


def part_of(module: str) -> str:
    pieces = module.split(".")
    return pieces[1] if len(pieces) > 1 else ""


def test_every_part_is_placed() -> None:
    assert {part_of(module_name(path)) for path in package_files()} <= set(BELOW)


def test_no_arrow_points_back() -> None:
    wrong = [
        f"{found.path.relative_to(ROOT)}:{found.line}: {source or 'tandemdb'} must not import {found.module}"
        for path in package_files()
        for found in imports_of(path)
        if (target := part_of(found.module)) != (source := part_of(module_name(path)))
        and target not in BELOW[source]
        and (found.at_import or (module_name(path), found.module) not in EXCEPTIONS)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_core_of_replication_has_no_eyes_and_no_hands() -> None:
    """It runs the same over queues, over sockets and in the simulator: no I/O, clock, random or thread of its own."""
    core = PACKAGE / "replication" / "core"
    allowed = {"__future__", "bisect", "collections", "dataclasses", "itertools", "typing", "weakref", "tandemdb"}
    found: set[str] = set()
    own: set[str] = set()
    for path in core.glob("*.py"):
        for node, _ in walk(ast.parse(path.read_text(encoding="utf-8")), True):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found |= {name.split(".")[0] for name in names}
            own |= {name for name in names if name.startswith("tandemdb.replication.")}
    assert found <= allowed
    assert {name for name in own if not name.startswith("tandemdb.replication.core")} <= {"tandemdb.replication.errors"}


def test_no_module_waits_for_itself() -> None:
    """Among the imports that run at import time there is no circle."""
    graph = {
        module_name(path): sorted({found.module for found in imports_of(path) if found.at_import} - {module_name(path)})
        for path in package_files()
    }
    finished: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        if module in trail:
            pytest.fail("circular import: " + " -> ".join([*trail[trail.index(module) :], module]))
        if module not in finished:
            for target in graph.get(module, ()):
                visit(target, (*trail, module))
            finished.add(module)

    for module in graph:
        visit(module, ())


def test_library_code_never_prints() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in package_files()
        if part_of(module_name(path)) != "cli"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not wrong, f"print() in library code: {wrong}"


def test_nothing_names_the_place_where_it_was_written() -> None:
    """No path of one machine in code, data or documents; data beside the checkout in tests and benchmarks only."""
    wrong = []
    for path in sorted(p for p in ROOT.rglob("*") if p.suffix in (".py", ".md", ".toml", ".sql", ".golden") and own(p)):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            outside_tests = path.relative_to(ROOT).parts[0] not in ("tests", "benchmarks", "CONTRIBUTING.md")
            if WORKPLACE_PATH.search(line) or outside_tests and SHARED_DATA.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not wrong, "\n".join(wrong)


def own(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return not parts[0].startswith(".") and parts[0] not in ("build", "dist") and path.name != Path(__file__).name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from tandemdb.storage import block", [("tandemdb.storage.block", True)]),
        ("from . import block\nfrom .block import Block", [("tandemdb.storage.block", True)] * 2),
        ("def f():\n    import tandemdb.dbapi", [("tandemdb.dbapi", False)]),
        ("if TYPE_CHECKING:\n    from tandemdb.planner import plan", [("tandemdb.planner.plan", False)]),
        ("try:\n    import tandemdb\nexcept ImportError:\n    import os", [("tandemdb", True)]),
    ],
)
def test_imports_are_read_as_python_reads_them(
    text: str, expected: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self, encoding: text)
    found = imports_of(PACKAGE / "storage" / "table.py")
    assert [(one.module, one.at_import) for one in found] == expected
