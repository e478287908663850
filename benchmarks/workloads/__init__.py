"""The workloads, in the order in which the table shows them."""

from __future__ import annotations

from benchmarks.measure import Workload
from benchmarks.workloads import analytic, calls, mixes, writes


def all_workloads() -> list[Workload]:
    """Every workload, the TPC-H queries and the ORM's (if SQLAlchemy is there) included."""
    return [*calls.WORKLOADS, *writes.WORKLOADS, *analytic.WORKLOADS, *mixes.workloads()]
