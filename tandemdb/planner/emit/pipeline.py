"""A pipeline: the loops and tests that bring one row after another, written as statements or as a comprehension.

    for city_0 in chain(table_city_1.record_lists())    Clause("for", "city_0", "chain(...)")
    if city_0[2] > p0                                    Clause("if", "city_0[2] > p0")
    country_1 = table_country_1.find(city_0[3])          Clause("let", "country_1", "table_country_1.find(city_0[3])")

    as a comprehension:   [city_0[1] for city_0 in chain(...) if city_0[2] > p0 for country_1 in [...]]
    as statements:        for city_0 in ...:
                              if city_0[2] > p0:
                                  country_1 = ...
                                  <innermost lines>

Python nests at most 20 blocks, so a long pipeline is cut: its rows so far go into a list that the rest loops over.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from tandemdb.planner.emit.columnar import Columnar, columnar
from tandemdb.planner.emit.writer import Frame, Generator

FOR_CLAUSES_MAX = 10
COLLECTIONS = {"[": "list", "{": "set"}
COLUMN = re.compile(r"(\w+)\[([0-9]+)\]")


class Clause(NamedTuple):
    kind: str
    target: str
    text: str = ""


class Lookup(NamedTuple):
    """A "let" clause and the test behind it; `repeated` tells how often it is made, `entries` how many there are."""

    place: int
    dictionary: str
    probe: str
    source: Any
    used: Sequence[Any]
    repeated: float
    entries: float


class Pipeline:
    """Clauses in order, and the variables that carry the current row."""

    __slots__ = ("clauses", "variables", "unique", "pairs", "matches", "lookups", "unread")

    def __init__(self) -> None:
        self.clauses: list[Clause] = []
        self.variables: list[str] = []
        self.unique = False
        self.pairs = False
        """Whether the loop brings pairs, so that a tuple of both parts is the pair itself."""
        self.lookups: dict[str, Lookup] = {}
        """The look-ups in dictionaries of one row for each key, by the variables that hold what they find."""
        self.unread: set[str] = set()
        """Variables of sources of which nothing is read: they are not there."""
        self.matches: Any = None
        """How many rows of the last source match, where that is all that is asked of them (see `counted_join`)."""

    def loop(self, target: str, iterable: str) -> None:
        self.clauses.append(Clause("for", target, iterable))

    def test(self, condition: str) -> None:
        if condition != "True":
            self.clauses.append(Clause("if", condition))

    def let(self, target: str, text: str) -> None:
        self.clauses.append(Clause("let", target, text))

    @property
    def is_comprehension(self) -> bool:
        """Whether the clauses may stand in a comprehension: none assigns inside what it iterates over."""
        return not any(":=" in clause.text for clause in self.clauses if clause.kind != "if")

    def comprehension(self, element: str, opening: str = "[", closing: str = "]") -> str:
        return f"{opening}{element}{self.comprehension_clauses()}{closing}"

    def column(self, generator: Generator, element: str) -> str:
        """An iterable of `element` of every row; one column of all rows is picked out in C."""
        if len(self.clauses) == 1 and self.clauses[0].kind == "for":
            if element == self.clauses[0].target:
                return self.clauses[0].text
            found = COLUMN.fullmatch(element)
            if found is not None and found[1] == self.clauses[0].target:
                picked = f"map({generator.helper(itemgetter)}({found[2]}), {self.clauses[0].text})"
                columns = self.columnar(generator, element)
                return picked if columns is None else f"({columns.name} or {picked})"
        return self.either_comprehension(generator, element)

    def either_comprehension(
        self, generator: Generator, element: str, opening: str = "[", closing: str = "]", *, counted: bool = False
    ) -> str:
        """A comprehension over records, and the same over columns, if the table keeps them.

        `counted`: how many elements there are is all that is asked.
        """
        written = self.comprehension(element, opening, closing)
        columns = self.columnar(generator, "" if counted else element)
        if columns is None:
            return written
        beside = self.over(columns)
        item = columns.target.partition(",")[0] if counted else columns.written(element)
        if len(beside.clauses) == 1 and item == columns.target and opening in COLLECTIONS:
            return f"({written} if {columns.name} is None else {COLLECTIONS[opening]}({columns.name}))"
        return f"({written} if {columns.name} is None else {beside.comprehension(item, opening, closing)})"

    def over(self, columns: Columnar) -> Pipeline:
        """The same clauses over columns."""
        beside = Pipeline()
        beside.clauses = [Clause("for", columns.target, columns.iterable)]
        beside.clauses += [
            Clause(kind, columns.written(target), columns.written(text)) for kind, target, text in self.clauses[1:]
        ]
        return beside

    def columnar(self, generator: Generator, element: str) -> Columnar | None:
        """How the clauses read columns of the outermost loop's records in their place; None where they do not."""
        if not self.clauses or self.clauses[0].kind != "for":
            return None
        first, *others = self.clauses
        texts = [text for clause in others for text in clause[1:]]
        return columnar(generator, first.target, first.text, [*texts, element])

    def comprehension_clauses(self) -> str:
        parts = []
        for clause in self.clauses:
            if clause.kind == "for":
                parts.append(f" for {clause.target} in {clause.text}")
            elif clause.kind == "let":
                parts.append(f" for {clause.target} in [{clause.text}]")
            else:
                parts.append(f" if {clause.target}")
        if parts and not parts[0].startswith(" for"):
            parts.insert(0, " for _ in (None,)")
        return "".join(parts) or " for _ in (None,)"

    def write(self, frame: Frame, innermost: Sequence[str]) -> None:
        """Write the clauses as statements with `innermost` lines inside them."""
        depth = frame.depth
        self.open(frame)
        for line in innermost:
            frame.emit(line)
        frame.depth = depth

    def write_either(self, generator: Generator, frame: Frame, innermost: Sequence[str]) -> None:
        """As `write`, over columns if the table keeps those that are read."""
        columns = self.columnar(generator, "\n".join(innermost))
        if columns is None:
            self.write(frame, innermost)
            return
        frame.emit(f"if {columns.name} is None:")
        frame.depth += 1
        self.write(frame, innermost)
        frame.depth -= 1
        frame.emit("else:")
        frame.depth += 1
        self.over(columns).write(frame, [columns.written(line) for line in innermost])
        frame.depth -= 1

    def open(self, frame: Frame) -> None:
        """Write the clauses as statements; what is written next stands inside them."""
        for clause in joined_tests(self.clauses):
            if clause.kind == "for":
                frame.emit(f"for {clause.target} in {clause.text}:")
                frame.depth += 1
            elif clause.kind == "let":
                frame.emit(f"{clause.target} = {clause.text}")
            else:
                frame.emit(f"if {clause.target}:")
                frame.depth += 1

    def collect(
        self, generator: Generator, frame: Frame, element: str, prefix: str = "rows", *, counted: bool = False
    ) -> str:
        """Write the loops that gather `element` of every row; the name of the list. `counted`: or of anything."""
        name = generator.name(prefix)
        if all(clause.kind != "for" for clause in self.clauses):
            # One row at most: no loop at all.
            if any(clause.kind == "if" for clause in self.clauses):
                frame.emit(f"{name} = []")
            self.write(frame, [f"{name} = [{element}]"])
        elif self.clauses[-1][:2] == ("for", element) and all(c.kind == "let" for c in self.clauses[:-1]):
            for clause in self.clauses[:-1]:
                frame.emit(f"{clause.target} = {clause.text}")
            frame.emit(f"{name} = list({self.clauses[-1].text})")
        elif self.is_comprehension:
            frame.emit(f"{name} = {self.either_comprehension(generator, element, counted=counted)}")
        else:
            frame.emit(f"{name} = []")
            frame.emit(f"append_{name} = {name}.append")
            self.write(frame, [f"append_{name}({element})"])
        return name

    def last_loop(self, text: str) -> tuple[Pipeline, Pipeline] | None:
        """The clauses before the last loop, and it with the tests behind it: None if an expression reads its row.

        So for each row of the loops around it, what the expression gives is the same.
        """
        places = [place for place, clause in enumerate(self.clauses) if clause.kind == "for"]
        if len(places) < 2:
            return None
        outer, inner = Pipeline(), Pipeline()
        outer.clauses, inner.clauses = self.clauses[: places[-1]], self.clauses[places[-1] :]
        if any(clause.kind == "let" or ":=" in f"{clause.target}{clause.text}" for clause in inner.clauses):
            return None
        names = re.findall(r"\w+", inner.clauses[0].target)
        return None if any(re.search(rf"\b{name}\b", text) for name in names) else (outer, inner)

    def sole_iterable(self, element: str) -> str | None:
        """What the only loop is over, if the elements are its items; None where they are made of them."""
        if len(self.clauses) != 1 or self.clauses[0].kind != "for":
            return None
        _, target, iterable = self.clauses[0]
        whole = element == target or (self.pairs and element == f"({target}[0], {target}[1])")
        return iterable if whole else None

    def collect_set(self, generator: Generator, frame: Frame, element: str) -> str:
        """As `collect`, each element once; the name of the set."""
        if self.is_comprehension:
            name = generator.name("rows")
            whole = self.sole_iterable(element)
            if whole is not None:
                frame.emit(f"{name} = set({whole})")
                return name
            frame.emit(f"{name} = {self.either_comprehension(generator, element, '{', '}')}")
            return name
        name = self.collect(generator, frame, element)
        frame.emit(f"{name} = set({name})")
        return name

    def collect_distinct(self, generator: Generator, frame: Frame, element: str) -> str | None:
        """As `collect`, the first of equal elements; None where the loops do not fit a comprehension."""
        if not self.is_comprehension:
            return None
        name = generator.name("rows")
        frame.emit(f"{name} = list({self.either_comprehension(generator, f'{element}: None', '{', '}')})")
        return name

    def cut(self, generator: Generator, frame: Frame) -> None:
        """Gather the rows so far and start again from their list."""
        held = ", ".join(self.variables)
        comma = "," if len(self.variables) == 1 else ""
        name = self.collect(generator, frame, f"({held}{comma})", "joined")
        self.clauses = [Clause("for", f"({held}{comma})", name)]
        self.lookups.clear()

    def cut_if_deep(self, generator: Generator, frame: Frame) -> None:
        depth = sum(clause.kind != "if" for clause in self.clauses)
        if depth > FOR_CLAUSES_MAX:
            self.cut(generator, frame)


def joined_tests(clauses: Sequence[Clause]) -> list[Clause]:
    """The clauses with tests that follow one another made one: Python bears little nesting."""
    found: list[Clause] = []
    for clause in clauses:
        if clause.kind == "if" and found and found[-1].kind == "if":
            found[-1] = Clause("if", f"{found[-1].target} and ({clause.target})")
        else:
            found.append(clause._replace(target=f"({clause.target})") if clause.kind == "if" else clause)
    return found
