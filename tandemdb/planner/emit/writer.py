"""Writing Python: code fragments, the functions they go into, and the names they share.

    Generator (one statement)
     +- bound: {'less': <function>, ...}        objects the generated code reads as globals
     +- main: Frame plan(roots, params, context)
          setup: p0 = params[0]; city = roots[0].tables[5]; hash_1 = {...}         once per execution
          body:  for city_0 in ...: out.append(...)
          +- Frame exists_1(city_0)                                               a correlated subquery

A fragment (`Code`) is a Python expression with the storage classes its value may have, so that who uses it knows which
guards can be left out. Values never enter the source as text: parameters and literals arrive in `params`.
"""

from __future__ import annotations

import ast as pyast
import builtins
import keyword
import linecache
import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tandemdb.planner.bind.bound import HOLDS_ANY, HOLDS_BLOB, HOLDS_FLOAT, HOLDS_INT, HOLDS_NULL, HOLDS_TEXT

CLASS_OF_TYPE: dict[type, int] = {
    type(None): HOLDS_NULL,
    int: HOLDS_INT,
    float: HOLDS_FLOAT,
    str: HOLDS_TEXT,
    bytes: HOLDS_BLOB,
}


SOURCES_MAX = 4096
"""So many sources are kept for tracebacks; plans may be more and come and go."""
_shown: deque[str] = deque()
PARAMETER = re.compile(r"\bp\d+\b|\bparams\[")


class Code(NamedTuple):
    """A Python expression. `atomic`: may be repeated at no cost and needs no parentheses. `nan`: may be NaN, which is
    NULL.
    """

    text: str
    classes: int = HOLDS_ANY
    atomic: bool = False
    nan: bool = False

    @property
    def nullable(self) -> bool:
        return bool(self.classes & HOLDS_NULL)

    @property
    def grouped(self) -> str:
        return self.text if self.atomic else f"({self.text})"


class Frame:
    """One Python function being written: what it reads from its arguments (`loads`), what is made once, its body."""

    def __init__(self, name: str, arguments: Sequence[str], parent: Frame | None) -> None:
        self.name = name
        self.arguments = list(arguments)
        self.parent = parent
        self.loads: list[str] = []
        self.setup: list[str] = []
        self.body: list[str] = []
        self.depth = 1
        self.sources: set[Any] = set()

    def emit(self, line: str) -> None:
        self.body.append("    " * self.depth + line)

    def emit_setup(self, line: str) -> None:
        self.setup.append("    " + line)

    def emit_setup_lines(self, lines: Sequence[str]) -> None:
        """Lines that already carry the indentation of a function's body."""
        self.setup.extend(lines)

    def source(self) -> list[str]:
        return [f"def {self.name}({', '.join(self.arguments)}):", *self.loads, *self.setup, *self.body]


class Generator:
    """What one statement's generated code shares: parameters, tables, helper functions, names."""

    def __init__(self, types: Sequence[type], roots: Sequence[Any]) -> None:
        self.types = types
        self.roots = roots
        self.main = Frame("plan", ["roots", "params", "context"], None)
        self.bound: dict[str, Any] = {}
        self.sensitive: set[int] = set()
        self.names: dict[str, int] = {}
        self.reserved: set[str] = set()  # the variables of sources
        self.hoisted: dict[str, Code] = {}
        self.row_classes: dict[str, Sequence[int]] = {}
        """What each column may hold of the rows that a function or list of this name brings, where that is known."""
        self.sets: set[str] = set()
        """Functions that bring a set, a single column's values bare, and not a list of rows."""
        self.bare: dict[str, int] = {}
        """The functions and lists that bring one column's values, not rows, and which column that is."""
        self.constants: set[str] = set()
        self.values: dict[tuple[type, str], str] = {}
        """The names of constants, by class and writing: each has one."""
        self.tables: dict[tuple[int, int], str] = {}
        self.narrowed: dict[str, str] = {}
        """The tables of which lists of this name are what is left."""
        self.needs_context = False
        self.literal_base: int | None = None
        self.row_bound = False
        self.single = False
        """The statement changes one record, or none."""
        self.rewrites = False
        """Blocks' records are made anew, and no entry of a secondary key moves."""
        self.written_out = False
        """It has run often: what storage does with a single record in place is written out, instead of called."""
        self.whole = False
        """And its lines go into a function that does all of a run (`change.written_out.Lines`)."""
        self.reads_many = False
        """A table is read other than by a key, or rows lead to rows: there may be many."""
        self.narrows = False
        """Tables are only read, so that what they keep of their values may tell which records to read."""
        self.live = False
        """Tables change while rows are read, so that nothing made of them may be used again."""

    # ---- names

    def name(self, prefix: str) -> str:
        """A name not used before in this statement: `hash_1`, `hash_2` ..."""
        number = self.names.get(prefix, 0) + 1
        while f"{prefix}_{number}" in self.reserved:
            number += 1
        self.names[prefix] = number
        return f"{prefix}_{number}"

    def helper(self, function: Callable[..., Any] | Any, name: str = "") -> str:
        """The name under which generated code calls a function of ours."""
        label: str = name or function.__name__
        while label in self.bound and self.bound[label] is not function:
            label += "_"
        self.bound[label] = function
        return label

    def constant(self, value: Any) -> str:
        """The name under which generated code reads a value that is known."""
        known = type(value), repr(value)
        name = self.values.get(known)
        if name is None:
            name = self.values[known] = self.name("value")
            self.bound[name] = value
            self.constants.add(name)
        return name

    # ---- parameters

    def parameter(self, index: int) -> str:
        name = f"p{index}"
        if name not in self.hoisted and not self.row_bound:
            self.main.loads.append(f"    {name} = params[{index}]")
            self.hoisted[name] = Code(name, HOLDS_ANY, True)
            self.constants.add(name)
        return name

    def parameter_classes(self, index: int) -> int:
        """The class of a bound value. The plan then serves only values of that class.

        Where the values differ from row to row (`row_bound`: a loop over the rows of an executemany) it may be any.
        """
        if self.row_bound:
            return HOLDS_ANY
        self.sensitive.add(index)
        return CLASS_OF_TYPE[self.types[index]]

    def hoist(self, code: Code, prefix: str = "constant") -> Code:
        """Compute a value once per execution, before any row is read."""
        if code.atomic and code.text.isidentifier():
            return code
        if self.row_bound and PARAMETER.search(code.text):
            return code
        found = self.hoisted.get(code.text)
        if found is None:
            name = self.name(prefix)
            self.main.emit_setup(f"{name} = {code.text}")
            found = self.hoisted[code.text] = Code(name, code.classes, True, code.nan)
            self.constants.add(name)
        return found

    # ---- tables

    def table(self, database: int, table_id: int, label: str) -> str:
        """The local variable of a stored table of this execution's root."""
        key = (database, table_id)
        found = self.tables.get(key)
        if found is None:
            cleaned = "".join(c if c.isascii() and c.isalnum() else "_" for c in label.lower()) or "table"
            name = cleaned if not cleaned[0].isdigit() and not keyword.iskeyword(cleaned) else f"t{cleaned}"
            found = self.tables[key] = self.name(f"table_{name}")
            self.main.loads.append(f"    {found} = roots[{database}].tables[{table_id}]")
        return found


def own_function(generator: Generator, lines: Sequence[str], classes: int) -> Code:
    """A call of a function made of these lines, which is given every name that they read."""
    tree = pyast.parse("\n".join(["def part():", *("    " + line for line in lines)]))
    names = [node for node in pyast.walk(tree) if isinstance(node, pyast.Name)]
    stored = {node.id for node in names if isinstance(node.ctx, pyast.Store)}
    read = {node.id for node in names} - stored - generator.bound.keys() - vars(builtins).keys()
    arguments = ", ".join(sorted(read))
    name = generator.name("part")
    generator.main.emit_setup(f"def {name}({arguments}):")
    for line in lines:
        generator.main.emit_setup(f"    {line}")
    return Code(f"{name}({arguments})", classes, True)


def compile_source(source: str, name: str, bound: dict[str, Any], function: str = "plan") -> Callable[..., Any]:
    """Compile generated source so that tracebacks and pdb show its lines; returns the function it defines."""
    filename = f"<tandemdb plan {name}>"
    if filename not in linecache.cache:
        _shown.append(filename)
        if len(_shown) > SOURCES_MAX:
            linecache.cache.pop(_shown.popleft(), None)
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(source, filename, "exec"), bound)
    found: Callable[..., Any] = bound[function]
    return found
