"""The command for big runs.

    python -m tests.differential.run --seed 1 --count 1000 [--shrink] [--profile queries] [--engine sqlite3]

Script n of a run is made from the seed "SEED/PROFILE/n" alone, so a failing one is repeated with `--only n`.
Differences are grouped by what they look like; of each group the first is printed, with --shrink cut down to the least
that still fails.
"""

from __future__ import annotations

import argparse
import importlib.util
import sqlite3
import sys
import time
from collections import Counter

from .choices import from_seed
from .compare import Difference, Refused, compare, compare_outcomes
from .engines import ENGINES, Run, execute, run
from .layers.script import PROFILES, make_script
from .reduce import reduce
from .script import Script


def main(arguments: list[str] | None = None) -> int:
    """Run, print what differs, and return the number of kinds of difference (at most 100)."""
    options = parse_arguments(arguments)
    groups: Counter[str] = Counter()
    refusals: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    started = time.monotonic()
    numbers = [options.only] if options.only is not None else range(options.count)
    for number in numbers:
        script = make_script(from_seed(f"{options.seed}/{options.profile}/{number}"), options.profile, options.length)
        verdict = judge(script, options.engine, counts)
        if isinstance(verdict, Refused):
            refusals[verdict.message] += 1
        elif isinstance(verdict, Difference):
            kind = verdict.signature()
            if options.engine != "reversed" and not has_one_answer(script, run(ENGINES["sqlite3"], script)):
                kind += " | sqlite3's own answer hangs on its order of visiting rows"
            elif breaks_foreign_keys(script, verdict.place):
                kind += " | sqlite3 let a foreign key be broken"
            elif is_mended_later(script, verdict, options.engine):
                kind += " | a later SQLite agrees with tandemdb"
            groups[kind] += 1
            if groups[kind] <= options.each and len(groups) <= options.kinds:
                report(script, verdict, number, options)
        if options.seconds and time.monotonic() - started > options.seconds:
            break
    print_summary(counts, groups, refusals, time.monotonic() - started, options)
    return min(len(groups), 100)


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.differential.run", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", default="1", help="any text; the same seed makes the same scripts")
    parser.add_argument("--count", type=int, default=200, help="number of scripts (each of some 15 statements)")
    parser.add_argument("--length", type=int, default=20, help="most statements after schema and first rows")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="mixed")
    parser.add_argument("--engine", choices=sorted(ENGINES), default="tandemdb")
    parser.add_argument("--shrink", action="store_true", help="cut failing scripts down before printing them")
    parser.add_argument("--only", type=int, help="run just this script of the seed")
    parser.add_argument("--each", type=int, default=1, help="how many of each kind of difference to print")
    parser.add_argument("--kinds", type=int, default=1000, help="print at most so many kinds")
    parser.add_argument("--seconds", type=float, default=0.0, help="stop after this long")
    return parser.parse_args(arguments)


def judge(script: Script, engine: str, counts: Counter[str]) -> Difference | Refused | None:
    """Run on both and compare, keeping count of statements and of the errors that sqlite3 gave."""
    expected = run(ENGINES["sqlite3"], script)
    counts["scripts"] += 1
    counts["statements"] += len(script.statements)
    counts["errors of sqlite3"] += sum(1 for outcome in expected.outcomes if outcome.error)
    counts["rows"] += sum(len(outcome.rows) for outcome in expected.outcomes)
    return compare(script, expected, run(ENGINES[engine], script))


def report(script: Script, verdict: Difference, number: int, options: argparse.Namespace) -> None:
    """Print a failing script and where the engines part."""
    if options.shrink:
        script, verdict = shrink(script, verdict, options.engine)
    print(f"-- script {number} of seed {options.seed}: {verdict.what}")
    shown = script if options.shrink else Script(script.statements[: verdict.place + 1])
    print(shown)
    print(f"-- sqlite3:  {str(verdict.expected)[:600]}")
    print(f"-- {options.engine}: {str(verdict.found)[:600]}\n", flush=True)


def shrink(script: Script, verdict: Difference, engine: str, seconds: float = 20.0) -> tuple[Script, Difference]:
    """Cut the script down while it differs in the same manner."""
    last = [verdict]

    def fails(candidate: Script) -> bool:
        expected = run(ENGINES["sqlite3"], candidate)
        found = compare(candidate, expected, run(ENGINES[engine], candidate))
        if not isinstance(found, Difference) or found.signature() != verdict.signature():
            return False
        if engine != "reversed" and not has_one_answer(candidate, expected):
            return False
        if breaks_foreign_keys(candidate, found.place):
            return False
        last[0] = found
        return True

    return reduce(script, fails, seconds), last[0]


def has_one_answer(script: Script, expected: Run) -> bool:
    """Tell whether sqlite3 itself gives the same when it visits rows backwards; scripts cut down may not."""
    loose = Script(tuple(s._replace(order="any") if s.order == "scan" else s for s in script.statements))
    return compare(loose, expected, run(ENGINES["reversed"], loose)) is None


def breaks_foreign_keys(script: Script, place: int) -> bool:
    """Tell whether sqlite3 itself let a foreign key be broken up to that statement: some triggers and actions do."""
    connection = ENGINES["sqlite3"]()
    try:
        for statement in script.statements[: place + 1]:
            execute(connection, statement)
        if connection.in_transaction or not connection.execute("PRAGMA foreign_keys").fetchone()[0]:
            return False
        return bool(connection.execute("PRAGMA foreign_key_check").fetchall())
    except sqlite3.Error:
        return False
    finally:
        connection.close()


def is_mended_later(script: Script, verdict: Difference, engine: str) -> bool:
    """Tell whether a later SQLite, where apsw is installed, answers as the engine under test does."""
    if engine != "tandemdb" or importlib.util.find_spec("apsw") is None:
        return False
    later, found = run(ENGINES["later"], script), run(ENGINES[engine], script)
    if verdict.place == len(script.statements):
        return compare(script, later, found) is None
    names = ("rowcount", "lastrowid", "total_changes")
    one, other = later.outcomes[verdict.place], found.outcomes[verdict.place]
    if verdict.what in names:
        return getattr(one, verdict.what) == getattr(other, verdict.what)
    return (
        compare_outcomes(verdict.place, "loose", one._replace(**{n: getattr(other, n) for n in names}), other) is None
    )


def print_summary(
    counts: Counter[str], groups: Counter[str], refusals: Counter[str], seconds: float, options: argparse.Namespace
) -> None:
    print(
        f"-- seed {options.seed}, profile {options.profile}, {seconds:.1f} s: "
        + ", ".join(f"{n} {what}" for what, n in counts.items())
    )
    print(
        f"-- {sum(groups.values())} scripts differ in {len(groups)} kinds; "
        f"{sum(refusals.values())} end at a feature refused by name"
    )
    for what, count in groups.most_common():
        print(f"{count:6}  {what}")
    for what, count in refusals.most_common():
        print(f"{count:6}  refused: {what}")


if __name__ == "__main__":
    sys.exit(main())
