"""`python -m tandemdb.testing --seed 17 | --seeds 0:10000 [--failover] [--steps N] [--history]`: simulate clusters.

With `--failover` a coordinator says who leads, and nobody else. Exit status 0 when every promise held, 1 with the first
seed that broke one.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from tandemdb.testing import failover, simulation
from tandemdb.testing.invariants import InvariantBroken


def main(arguments: list[str] | None = None) -> int:
    """Run the seeds asked for."""
    parser = argparse.ArgumentParser(prog="python -m tandemdb.testing", description="Run simulated clusters.")
    parser.add_argument("--seed", type=int, help="one seed")
    parser.add_argument("--seeds", default="0:100", help="a range, first:behind the last")
    parser.add_argument("--failover", action="store_true", help="clusters whose primary a coordinator chooses")
    parser.add_argument("--steps", type=int, help="steps a cluster")
    parser.add_argument("--history", action="store_true", help="show what happened")
    given = parser.parse_args(arguments)
    first, behind = (int(part) for part in given.seeds.split(":"))
    seeds = range(first, behind) if given.seed is None else [given.seed]
    simulate, steps = simulation.simulate, simulation.STEPS
    if given.failover:
        simulate, steps = failover.simulate_failover, failover.STEPS
    events: Counter[str] = Counter()
    for seed in seeds:
        try:
            report = simulate(seed, steps if given.steps is None else given.steps)
        except InvariantBroken as error:
            sys.stdout.write(f"seed {seed}: {error}\n")
            return 1
        events.update(report.events)
        events["virtual seconds"] += int(report.virtual_seconds)
        if given.history:
            sys.stdout.write("\n".join(report.history) + "\n")
    counted = ", ".join(f"{name} {count}" for name, count in sorted(events.items()))
    sys.stdout.write(f"{len(seeds)} seeds, every promise held: {counted}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
