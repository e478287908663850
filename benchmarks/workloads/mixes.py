"""What applications do: TPC-H's queries, a mix like TPC-C's, and SQLAlchemy's ORM."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from benchmarks import tpch
from benchmarks.measure import Data, Workload
from benchmarks.tpch.by_hand import BY_HAND
from benchmarks.tpch.data import TPCH
from benchmarks.workloads.query_file import read_queries
from benchmarks.workloads.tpcc import TPCC, business_day


def workloads() -> list[Workload]:
    """TPC-H and TPC-C-like ones always, the ORM's when SQLAlchemy is installed."""
    found = [*tpch_queries(), Workload("TPC-C-like mix", "application", business_day, TPCC, changes=True)]
    if importlib.util.find_spec("sqlalchemy"):
        from benchmarks.workloads import orm

        found += orm.WORKLOADS
    return found


def tpch_queries() -> list[Workload]:
    queries = read_queries(Path(tpch.__file__).with_name("queries.sql"))
    return [tpch_query(name, text, TPCH) for name, text in queries]


def tpch_query(name: str, query: str, data: Data) -> Workload:
    def work(connection: Any) -> Any:
        return connection.execute(query).fetchall()

    return Workload(f"TPC-H {name}", "tpc-h", work, data, by_hand=BY_HAND[name])
