"""Prints the table of measurements, and writes them as JSON with date, versions and kind of machine."""

from __future__ import annotations

import json
import math
import os
import platform
import sqlite3
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import Measurement, geometric_mean


def print_title() -> None:
    print(f"{'workload':32} {'sqlite3':>10} {'tandemdb':>10} {'ratio':>7} {'limit':>7}  {'checked':>9}")


def print_row(found: Measurement) -> None:
    limit = f"{found.limit:7.2f}" if math.isfinite(found.limit) else " " * 7
    checked = found.error or f"{found.rows:>9}"
    times = f"{milliseconds(found.sqlite3)} {milliseconds(found.tandemdb)}"
    print(f"{found.workload.name:32} {times} {found.ratio:7.2f} {limit}  {checked}", flush=True)


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:7.2f} ms" if math.isfinite(seconds) else f"{'-':>10}"


def print_summary(found: list[Measurement]) -> None:
    """The geometric mean of the ratios, for each group and over all."""
    print()
    for group in dict.fromkeys(one.workload.group for one in found):
        ratios = [one.ratio for one in found if one.workload.group == group and one.equal]
        print(f"{group:32} {len(ratios):4} workloads, geometric mean {geometric_mean(ratios):.2f}")
    ratios = [one.ratio for one in found if one.equal]
    print(f"{'all':32} {len(ratios):4} workloads, geometric mean {geometric_mean(ratios):.2f}")
    failed = [one for one in found if one.error]
    if failed:
        print(f"{len(failed)} failed: " + "; ".join(f"{one.workload.name} ({one.error})" for one in failed))


def write_json(path: Path, found: list[Measurement], module: Any) -> None:
    """All figures, in seconds."""
    document = {
        **circumstances(),
        "tandemdb": getattr(module, "__version__", ""),
        "geometric_mean": rounded(geometric_mean([one.ratio for one in found if one.equal])),
        "workloads": [
            {
                "name": one.workload.name,
                "group": one.workload.group,
                "sqlite3_seconds": rounded(one.sqlite3),
                "tandemdb_seconds": rounded(one.tandemdb),
                "ratio": rounded(one.ratio),
                "by_hand_ratio": rounded(one.limit),
                "rows_checked": one.rows,
                "equal": one.equal,
                "error": one.error,
            }
            for one in found
        ],
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def write_figures(path: Path, figures: dict[str, float]) -> None:
    """Figures by name, as JSON."""
    document = {**circumstances(), "figures": {name: rounded(value) for name, value in figures.items()}}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def circumstances() -> dict[str, str]:
    """When, with what and on what was measured."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M:%S"),
        "python": platform.python_version(),
        "sqlite3": sqlite3.sqlite_version,
        "machine": machine_kind(),
    }


def machine_kind() -> str:
    """The processor's model and count, and the system."""
    model = platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass  # not Linux, or a processor without a name: the architecture must do
    return f"{model}, {os.cpu_count()} processors, {platform.system()}"


def rounded(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
