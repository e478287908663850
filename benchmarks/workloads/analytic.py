"""Queries that read much: each is one SELECT, some beside the same thing written by hand over lists of tuples."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from benchmarks.measure import Data, Tables, Workload
from benchmarks.workloads.data import DOCUMENTS, SHOP


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
    rows = [(row[0], row[5], row[3]) for row in tables["item"] if row[0] <= 20000]
    rows.sort(key=lambda row: row[2], reverse=True)
    rows.sort(key=lambda row: row[1])
    return [row[0] for row in rows[:5]]


QUERIES: list[tuple[str, str, Any]] = [
    ("filter and count", "SELECT count(*) FROM item WHERE amount > 2500 AND note IS NOT NULL", None),
    ("sum and avg of expressions", "SELECT sum(amount * 2 + grp), avg(amount) FROM item", sum_and_average),
    ("group by, 10 groups", "SELECT parent % 10, count(*), sum(amount), max(id) FROM item GROUP BY 1 ORDER BY 1", ten_groups),
    ("group by, 1,000 groups", "SELECT parent, count(*), sum(amount) FROM item GROUP BY parent ORDER BY parent", thousand_groups),
    ("group by, 95k groups", "SELECT count(*) FROM (SELECT code FROM item GROUP BY code HAVING count(*) > 1)", many_groups),
    ("group by grp (key order)", "SELECT count(*), sum(n) FROM (SELECT grp, count(*) AS n FROM item GROUP BY grp)", None),
    ("count(distinct)", "SELECT count(DISTINCT code) FROM item", count_distinct),
    ("key join 100k x 1k", "SELECT count(*), min(p.name) FROM item i JOIN parent p ON p.id = i.parent WHERE i.amount > 2500", key_join),
    ("many-to-many join", "SELECT count(*) FROM member a JOIN member b ON b.left_id = a.right_id WHERE a.left_id < 400", None),
    ("three-way star join", "SELECT r.name, sum(i.amount) FROM item i JOIN parent p ON p.id = i.parent JOIN region r ON r.id = p.region GROUP BY r.name ORDER BY r.name", star_join),
    ("left join", "SELECT count(*), count(m.left_id) FROM parent p LEFT JOIN member m ON m.left_id = p.id * 5", None),
    ("anti join", "SELECT count(*) FROM parent p WHERE NOT EXISTS (SELECT 1 FROM member m WHERE m.left_id = p.id AND m.right_id < 100)", None),
    ("correlated EXISTS", "SELECT count(*) FROM parent p WHERE EXISTS (SELECT 1 FROM item i WHERE i.grp = p.id AND i.amount > 9500)", None),
    ("IN subquery", "SELECT count(*), sum(amount) FROM item WHERE parent IN (SELECT id FROM parent WHERE region = 3)", None),
    ("scalar subquery", "SELECT id, (SELECT count(*) FROM item i WHERE i.grp = p.id) FROM parent p ORDER BY id", None),
    ("row_number by partition", "SELECT sum(n) FROM (SELECT row_number() OVER (PARTITION BY parent ORDER BY amount, id) AS n FROM item WHERE id <= 20000)", None),
    ("running sum by partition", "SELECT max(s), count(*) FROM (SELECT sum(amount) OVER (PARTITION BY parent ORDER BY id) AS s FROM item WHERE id <= 20000)", None),
    ("recursive CTE of 100k", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT count(*), sum(i) FROM n", None),
    ("UNION", "SELECT count(*) FROM (SELECT parent FROM item UNION SELECT left_id FROM member)", union_rows),
    ("INTERSECT", "SELECT count(*) FROM (SELECT parent FROM item INTERSECT SELECT right_id FROM member)", None),
    ("DISTINCT", "SELECT count(*) FROM (SELECT DISTINCT parent, id % 3 FROM item)", None),
    ("order by two columns", "SELECT id FROM item WHERE id <= 20000 ORDER BY parent, amount DESC, id LIMIT 5", None),
    ("order by, all rows", "SELECT id FROM item WHERE id <= 20000 ORDER BY amount, id", None),
    ("CASE", "SELECT sum(CASE WHEN amount < 100 THEN 1 WHEN amount < 5000 THEN 2 ELSE 3 END) FROM item", None),
    ("string functions", "SELECT count(*), max(upper(substr(code, 2, 3)) || length(note)) FROM item WHERE id <= 30000", None),
    ("LIKE scan", "SELECT count(*) FROM item WHERE note LIKE '%99%'", None),
]  # fmt: skip
JSON_QUERY = "SELECT sum(json_extract(body, '$.size')), max(json_extract(body, '$.at.x')) FROM document"
FIRST = {"group by, 1,000 groups", "key join 100k x 1k"}


def _query(name: str, text: str, by_hand: Any, data: Data = SHOP) -> Workload:
    def work(connection: Any) -> Any:
        return connection.execute(text).fetchall()

    return Workload(name, "analytic", work, data, ordered="ORDER BY" in text, by_hand=by_hand, first=name in FIRST)


WORKLOADS = [*(_query(*entry) for entry in QUERIES), _query("json_extract", JSON_QUERY, None, DOCUMENTS)]
