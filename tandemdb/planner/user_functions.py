"""Functions and collations that a connection registered, and what plans depend on of them.

    UserRegistry (one session)        ('rev', 1) -> Entry("scalar", <function>, deterministic)
      .registrations                  ('total', -1) -> Entry("aggregate", <class>)
           |                          collations: 'FR' -> Collation(<comparison>)
           v
    Registrations (interned)          the names, arities and kinds alone: equal ones are one object, on any connection
           |
    Questions (one compilation)       {("scalar", "rev", 1): True, ("collation", "FR", 0): True}

A plan holds names, never the functions: it looks them up when it runs. So it may serve every connection whose
registrations give the same answers to what was asked while it was compiled; a plan that met no name of a user's serves
all that do not shadow the names it met.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tandemdb.errors import OperationalError
from tandemdb.planner.runtime.values import COLLATION_KEYS
from tandemdb.storage import collation_keys

REGISTRATIONS_MAX = 512
"""Sets of names kept for being recognised; forgetting one costs no more than asking its plans' questions again."""

Question = tuple[str, str, int]


class UserFunctions:
    """What the binder asks of the connection's registered functions and collations."""

    def scalar(self, name: str, count: int) -> bool | None:
        """Whether the function is deterministic; None where there is none."""
        return None

    def aggregate(self, name: str, count: int) -> bool:
        return False

    def window(self, name: str, count: int) -> bool:
        """Whether there is an aggregate of that name that may run over a window."""
        return False

    def has_collation(self, name: str) -> bool:
        return name.upper() in ("BINARY", "NOCASE", "RTRIM")

    def check_arity(self, name: str) -> None:
        """Refuse a call of a registered name whose number of arguments is not."""

    def function(self, name: str, count: int) -> Callable[..., Any]:
        """What was registered for a call: the function, or the aggregate's class.

        Raises:
            OperationalError: nothing, or nothing any more.
        """
        raise OperationalError(f"no such function: {name}", code="SQLITE_ERROR")

    def collation_key(self, name: str) -> Callable[[Any], Any]:
        """A key function for sorting and comparing by a collation; values other than text compare as they are.

        Raises:
            OperationalError: there is none of this name, or none any more.
        """
        built_in = COLLATION_KEYS.get(name)
        if built_in is None:
            raise OperationalError(f"no such collation sequence: {name}", code="SQLITE_ERROR_MISSING_COLLSEQ")
        return built_in


class AssumedFunctions(UserFunctions):
    """Stands for whatever connection made an index: a name that is no built-in function was one of its own."""

    def scalar(self, name: str, count: int) -> bool | None:
        from tandemdb.planner.functions.registry import AGGREGATES, SCALARS

        return None if name.lower() in SCALARS or name.lower() in AGGREGATES else True

    def has_collation(self, name: str) -> bool:
        return True


class Entry(NamedTuple):
    """One registered function: `kind` is "scalar", "aggregate", "window", or "removed"."""

    kind: str
    function: Any
    deterministic: bool = False


REMOVED = Entry("removed", None)
"""What a window function that was taken back leaves: it goes on hiding those of its name that would come after it."""


class Registrations(UserFunctions):
    """Which names are registered, for how many arguments and as what. Equal ones are the same object."""

    __slots__ = ("kinds", "collations")

    def __init__(self, kinds: dict[tuple[str, int], tuple[str, bool]], collations: frozenset[str]) -> None:
        self.kinds = kinds
        self.collations = collations

    def find(self, name: str, count: int) -> tuple[str, bool] | None:
        """Kind and determinism of what a call means; None where it is not a user's.

        Raises:
            OperationalError: it means a window function that was taken back.
        """
        found = self.kinds.get((name, count)) or self.kinds.get((name, -1))
        if found is not None and found[0] == "removed":
            self.check_arity(name)
            raise OperationalError(f"no such function: {name}", code="SQLITE_ERROR")
        return found

    def scalar(self, name: str, count: int) -> bool | None:
        found = self.find(name, count)
        return found[1] if found is not None and found[0] == "scalar" else None

    def aggregate(self, name: str, count: int) -> bool:
        found = self.find(name, count)
        return found is not None and found[0] != "scalar"

    def window(self, name: str, count: int) -> bool:
        found = self.find(name, count)
        return found is not None and found[0] == "window"

    def has_collation(self, name: str) -> bool:
        return super().has_collation(name) or name.upper() in self.collations

    def check_arity(self, name: str) -> None:
        """Refuse a call of a known name whose number of arguments is not.

        Raises:
            OperationalError: wrong number of arguments.
        """
        from tandemdb.planner.functions.registry import AGGREGATES, SCALARS, wrong_number

        lowered = name.lower()
        if lowered in SCALARS or lowered in AGGREGATES or any(
            known == lowered and kind != "removed" for (known, _), (kind, _) in self.kinds.items()
        ):
            raise wrong_number(name)

    def gives(self, questions: dict[Question, Any]) -> bool:
        """Whether the answers to a plan's questions would be the same here."""
        for (method, name, count), answer in questions.items():
            try:
                found: Any = self.has_collation(name) if method == "collation" else getattr(self, method)(name, count)
            except OperationalError:
                return False
            if found != answer:
                return False
        return True


NOTHING = Registrations({}, frozenset())
_known: dict[Any, Registrations] = {}


def registrations_of(
    entries: dict[tuple[str, int], Entry], collations: dict[str, Collation]
) -> Registrations | None:
    """The interned registrations; None where there are none."""
    if not entries and not collations:
        return None
    kinds = {key: (entry.kind, entry.deterministic) for key, entry in entries.items()}
    identity = (frozenset(kinds.items()), frozenset(collations))
    found = _known.pop(identity, None)
    if found is None:
        found = Registrations(kinds, identity[1])
        while len(_known) >= REGISTRATIONS_MAX:
            _known.pop(next(iter(_known)), None)
    _known[identity] = found
    return found


class Questions(UserFunctions):
    """Passes on what a compilation asks and keeps the answers."""

    __slots__ = ("users", "asked")

    def __init__(self, users: UserFunctions) -> None:
        self.users = users
        self.asked: dict[Question, Any] = {}

    def scalar(self, name: str, count: int) -> bool | None:
        found = self.asked["scalar", name, count] = self.users.scalar(name, count)
        return found

    def aggregate(self, name: str, count: int) -> bool:
        found = self.asked["aggregate", name, count] = self.users.aggregate(name, count)
        return found

    def window(self, name: str, count: int) -> bool:
        found = self.asked["window", name, count] = self.users.window(name, count)
        return found

    def has_collation(self, name: str) -> bool:
        found = self.users.has_collation(name)
        if not super().has_collation(name):
            self.asked["collation", name, 0] = found
        return found

    def check_arity(self, name: str) -> None:
        self.users.check_arity(name)


class UserRegistry(UserFunctions):
    """What one session registered, by lower-case name and argument count (-1: any); collations by upper-case name."""

    __slots__ = ("entries", "collations", "registrations", "version")

    def __init__(self) -> None:
        self.entries: dict[tuple[str, int], Entry] = {}
        self.collations: dict[str, Collation] = {}
        self.registrations: Registrations | None = None
        self.version = 0

    def register(self, name: str, count: int, entry: Entry | None) -> None:
        """Put a function in the place of any other of this name and arity, or remove it."""
        key = (name.lower(), count)
        if entry is not None:
            self.entries[key] = entry
        elif key in self.entries:
            self.entries[key] = REMOVED
        self.changed()

    def register_collation(self, name: str, compare: Callable[[str, str], int] | None) -> None:
        upper = name.upper()
        if compare is None:
            self.collations.pop(upper, None)
        else:
            self.collations[upper] = Collation(compare)
            self.offer_collations()
        self.changed()

    def collation_key(self, name: str) -> Callable[[Any], Any]:
        collation = self.collations.get(name.upper())
        return super().collation_key(name) if collation is None or name in COLLATION_KEYS else collation.key

    def offer_collations(self) -> None:
        """Have storage order the keys that are made next by these; it knows one of each name, keys keep theirs."""
        for name, collation in self.collations.items():
            collation_keys[name] = collation.text_key

    def changed(self) -> None:
        self.registrations = registrations_of(self.entries, self.collations)
        self.version += 1

    # ---- what binding asks

    def scalar(self, name: str, count: int) -> bool | None:
        return (self.registrations or NOTHING).scalar(name, count)

    def aggregate(self, name: str, count: int) -> bool:
        return (self.registrations or NOTHING).aggregate(name, count)

    def window(self, name: str, count: int) -> bool:
        return (self.registrations or NOTHING).window(name, count)

    def has_collation(self, name: str) -> bool:
        return (self.registrations or NOTHING).has_collation(name)

    def check_arity(self, name: str) -> None:
        (self.registrations or NOTHING).check_arity(name)

    # ---- what plans run

    def function(self, name: str, count: int) -> Callable[..., Any]:
        found = self.entries.get((name, count)) or self.entries.get((name, -1))
        if found is None or found is REMOVED:
            return super().function(name, count)
        return found.function  # type: ignore[no-any-return]

    def window_class(self, name: str, count: int) -> Any:
        """The registered class whose objects step, give value, take back and finalize."""
        return self.function(name, count)

    def aggregate_rows(self, name: str, count: int, rows: Sequence[Sequence[Any]]) -> Any:
        """Step a registered aggregate over rows and finalize it."""
        aggregate = self.function(name, count)()
        for row in rows:
            aggregate.step(*row)
        return checked_result(aggregate.finalize())


class Collation:
    """A user's comparison of texts, as keys that sort, compare and hash.

    Texts that the comparison finds equal hash alike because they are numbered: `order` holds one text of each set of
    equal ones, sorted; the key's hash is that text's. Texts are numbered only when one is hashed: grouping, DISTINCT,
    IN and hash joins do that, sorting and indexes do not.
    """

    __slots__ = ("compare", "order", "representatives")

    def __init__(self, compare: Callable[[str, str], int]) -> None:
        self.compare = compare
        self.order: list[CollatedText] = []
        self.representatives: dict[str, str] = {}

    def text_key(self, text: str) -> CollatedText:
        return CollatedText(text, self)

    def key(self, value: Any) -> Any:
        """What a value is compared as: only text is affected."""
        return CollatedText(value, self) if isinstance(value, str) else value

    def representative(self, text: str) -> str:
        """The text that stands for all that are equal to this one."""
        found = self.representatives.get(text)
        if found is None:
            key = CollatedText(text, self)
            place = bisect_left(self.order, key)
            if place == len(self.order) or self.compare(self.order[place].text, text) != 0:
                self.order.insert(place, key)
            found = self.representatives[text] = self.order[place].text
        return found


class CollatedText(str):
    """A text under a user's collation; a str, so that it ranks as text among the classes. `text` is the plain one."""

    __slots__ = ("text", "collation")

    text: str
    collation: Collation

    def __new__(cls, text: str, collation: Collation) -> CollatedText:
        made = super().__new__(cls, text)
        made.text = text
        made.collation = collation
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CollatedText) and self.collation.compare(self.text, other.text) == 0

    def __ne__(self, other: object) -> bool:
        return not self == other

    # With values of other classes they do not compare, as no text does: who sorts such orders the classes first.

    def __lt__(self, other: Any) -> bool:
        return self.collation.compare(self.text, other.text) < 0 if type(other) is CollatedText else NotImplemented

    def __gt__(self, other: Any) -> bool:
        return self.collation.compare(self.text, other.text) > 0 if type(other) is CollatedText else NotImplemented

    def __le__(self, other: Any) -> bool:
        return self.collation.compare(self.text, other.text) <= 0 if type(other) is CollatedText else NotImplemented

    def __ge__(self, other: Any) -> bool:
        return self.collation.compare(self.text, other.text) >= 0 if type(other) is CollatedText else NotImplemented

    def __hash__(self) -> int:
        return hash(self.collation.representative(self.text))


def checked_result(value: Any) -> Any:
    """An aggregate's result as a value of SQLite's classes.

    Raises:
        OperationalError: it is of none of them.
    """
    kind = type(value)
    if value is None or kind in (int, str, bytes):
        if kind is int and not -(2**63) <= value < 2**63:
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        return value
    if kind is float:
        return None if value != value else value
    if isinstance(value, (bool, int)):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise OperationalError("user-defined function raised exception", code="SQLITE_ERROR")
