"""Queries that read much: those of analytic.sql, some beside the same thing written by hand over lists of tuples."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from heapq import nsmallest
from operator import itemgetter
from pathlib import Path
from typing import Any

from benchmarks.measure import Tables, Workload
from benchmarks.workloads.data import DOCUMENTS, SHOP
from benchmarks.workloads.query_file import read_queries


def sum_and_average(tables: Tables) -> list[Any]:
    rows = tables["item"]
    doubled = [row[3] * 2 + row[1] for row in rows]
    return [(sum(doubled), sum([row[3] for row in rows]) / len(rows))]


def ten_groups(tables: Tables) -> list[Any]:
    groups: dict[int, list[Any]] = {}
    for row in tables["item"]:
        group = groups.get(row[5] % 10)
        if group is None:
            groups[row[5] % 10] = [1, row[3], row[0]]
        else:
            group[0] += 1
            group[1] += row[3]
            if row[0] > group[2]:
                group[2] = row[0]
    return [(key, *values) for key, values in sorted(groups.items())]


def thousand_groups(tables: Tables) -> list[Any]:
    counts: dict[int, int] = defaultdict(int)
    sums: dict[int, float] = defaultdict(float)
    for row in tables["item"]:
        counts[row[5]] += 1
        sums[row[5]] += row[3]
    return [(key, counts[key], sums[key]) for key in sorted(counts)]


def many_groups(tables: Tables) -> list[Any]:
    counts = Counter([row[2] for row in tables["item"]])
    return [(sum(1 for count in counts.values() if count > 1),)]


def count_distinct(tables: Tables) -> list[Any]:
    return [(len({row[2] for row in tables["item"]}),)]


def key_join(tables: Tables) -> list[Any]:
    names = {row[0]: row[1] for row in tables["parent"]}
    rows = [names[row[5]] for row in tables["item"] if row[3] > 2500 and row[5] in names]
    return [(len(rows), min(rows))]


def star_join(tables: Tables) -> list[Any]:
    parents = {row[0]: row[2] for row in tables["parent"]}
    regions = {row[0]: row[1] for row in tables["region"]}
    sums: dict[str, float] = defaultdict(float)
    for row in tables["item"]:
        sums[regions[parents[row[5]]]] += row[3]
    return sorted(sums.items())


def union_rows(tables: Tables) -> list[Any]:
    return [(len({row[5] for row in tables["item"]} | {row[0] for row in tables["member"]}),)]


def order_by_two(tables: Tables) -> list[Any]:
    rows = [row for row in tables["item"] if row[0] <= 20_000]
    return [(row[0],) for row in nsmallest(5, rows, key=lambda row: (row[5], -row[3], row[0]))]


def filter_and_count(tables: Tables) -> list[Any]:
    return [(len([row for row in tables["item"] if row[3] > 2500.0 and row[4] is not None]),)]


def groups_in_key_order(tables: Tables) -> list[Any]:
    counts = Counter([row[1] for row in tables["item"]])
    return [(len(counts), sum(counts.values()))]


def row_numbers(tables: Tables) -> list[Any]:
    rows = [row for row in tables["item"] if row[0] <= 20_000]
    rows.sort(key=itemgetter(3))
    rows.sort(key=itemgetter(5))
    total = number = 0
    partition = None
    for row in rows:
        if row[5] != partition:
            partition, number = row[5], 0
        number += 1
        total += number
    return [(total,)]


def running_sums(tables: Tables) -> list[Any]:
    sums: dict[int, float] = defaultdict(float)
    greatest, count = 0.0, 0
    for row in tables["item"]:
        if row[0] <= 20_000:
            found = sums[row[5]] = sums[row[5]] + row[3]
            greatest = max(greatest, found)
            count += 1
    return [(greatest, count)]


def recursion(tables: Tables) -> list[Any]:
    rows = [(1,)]
    number = 1
    while number < 100_000:
        number += 1
        rows.append((number,))
    return [(len(rows), sum([row[0] for row in rows]))]


def cases(tables: Tables) -> list[Any]:
    return [(sum([1 if row[3] < 100.0 else 2 if row[3] < 5000.0 else 3 for row in tables["item"]]),)]


def strings(tables: Tables) -> list[Any]:
    rows = [row for row in tables["item"] if row[0] <= 30_000]
    return [(len(rows), max([row[2][1:4].upper() + str(len(row[4])) for row in rows if row[4] is not None]))]


def like_scan(tables: Tables) -> list[Any]:
    return [(len([row for row in tables["item"] if row[4] is not None and "99" in row[4]]),)]


def json_values(tables: Tables) -> list[Any]:
    documents = [json.loads(row[1]) for row in tables["document"]]
    return [(sum([found["size"] for found in documents]), max([found["at"]["x"] for found in documents]))]


def intersection(tables: Tables) -> list[Any]:
    return [(len({row[5] for row in tables["item"]} & {row[1] for row in tables["member"]}),)]


def distinct_rows(tables: Tables) -> list[Any]:
    return [(len({(row[5], row[0] % 3) for row in tables["item"]}),)]


def in_subquery(tables: Tables) -> list[Any]:
    found = {row[0] for row in tables["parent"] if row[2] == 3}
    amounts = [row[3] for row in tables["item"] if row[5] in found]
    return [(len(amounts), sum(amounts))]


def many_to_many(tables: Tables) -> list[Any]:
    counts = Counter([row[0] for row in tables["member"]])
    return [(sum([counts[row[1]] for row in tables["member"] if row[0] < 400]),)]


def left_join(tables: Tables) -> list[Any]:
    counts = Counter([row[0] for row in tables["member"]])
    found = [counts[row[0] * 5] for row in tables["parent"]]
    return [(sum([count or 1 for count in found]), sum(found))]


def anti_join(tables: Tables) -> list[Any]:
    there = {row[0] for row in tables["member"] if row[1] < 100}
    return [(len([row for row in tables["parent"] if row[0] not in there]),)]


def exists_join(tables: Tables) -> list[Any]:
    there = {row[1] for row in tables["item"] if row[3] > 9500}
    return [(len([row for row in tables["parent"] if row[0] in there]),)]


def counts_beside(tables: Tables) -> list[Any]:
    counts = Counter([row[1] for row in tables["item"]])
    return [(row[0], counts[row[0]]) for row in tables["parent"]]


def order_all(tables: Tables) -> list[Any]:
    rows = [row for row in tables["item"] if row[0] <= 20000]
    rows.sort(key=itemgetter(3))
    return [(row[0],) for row in rows]


BY_HAND: dict[str, Callable[[Tables], Any]] = {
    "sum and avg of expressions": sum_and_average,
    "group by, 10 groups": ten_groups,
    "group by, 1,000 groups": thousand_groups,
    "group by, 95k groups": many_groups,
    "count(distinct)": count_distinct,
    "key join 100k x 1k": key_join,
    "three-way star join": star_join,
    "UNION": union_rows,
    "order by two columns": order_by_two,
    "filter and count": filter_and_count,
    "group by grp (key order)": groups_in_key_order,
    "row_number by partition": row_numbers,
    "running sum by partition": running_sums,
    "recursive CTE of 100k": recursion,
    "CASE": cases,
    "string functions": strings,
    "LIKE scan": like_scan,
    "json_extract": json_values,
    "INTERSECT": intersection,
    "DISTINCT": distinct_rows,
    "IN subquery": in_subquery,
    "many-to-many join": many_to_many,
    "left join": left_join,
    "anti join": anti_join,
    "correlated EXISTS": exists_join,
    "scalar subquery": counts_beside,
    "order by, all rows": order_all,
}
FIRST = {"group by, 1,000 groups", "key join 100k x 1k"}


def _query(name: str, text: str) -> Workload:
    def work(connection: Any) -> Any:
        return connection.execute(text).fetchall()

    data = DOCUMENTS if "json" in name else SHOP
    by_hand = BY_HAND.get(name)
    return Workload(name, "analytic", work, data, ordered="ORDER BY" in text, by_hand=by_hand, first=name in FIRST)


WORKLOADS = [_query(name, text) for name, text in read_queries(Path(__file__).with_name("analytic.sql"))]
