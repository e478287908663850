"""TPC-H's queries as one would write them in Python over lists of tuples: the limit for what is generated.

lineitem  0 orderkey  1 partkey  2 suppkey  3 linenumber  4 quantity  5 extendedprice  6 discount  7 tax  8 returnflag
          9 linestatus  10 shipdate  11 commitdate  12 receiptdate  13 shipinstruct  14 shipmode
orders    0 orderkey  1 custkey  2 orderstatus  3 totalprice  4 orderdate  5 orderpriority  6 clerk  7 shippriority
          8 comment
customer  0 custkey  1 name  2 address  3 nationkey  4 phone  5 acctbal  6 mktsegment  7 comment
part      0 partkey  1 name  2 mfgr  3 brand  4 type  5 size  6 container
partsupp  0 partkey  1 suppkey  2 availqty  3 supplycost
supplier  0 suppkey  1 name  2 address  3 nationkey  4 phone  5 acctbal  6 comment
nation    0 nationkey  1 name  2 regionkey                                    region  0 regionkey  1 name
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from benchmarks.measure import Tables

Rows = list[tuple[Any, ...]]


def q1(tables: Tables) -> Rows:
    groups = defaultdict(list)
    for line in tables["lineitem"]:
        if line[10] <= "1998-09-02":
            groups[line[8], line[9]].append(line)
    rows = []
    for key, lines in sorted(groups.items()):
        count = len(lines)
        quantity, price = sum([line[4] for line in lines]), sum([line[5] for line in lines])
        discounted = [line[5] * (1 - line[6]) for line in lines]
        charge = sum([net * (1 + line[7]) for net, line in zip(discounted, lines, strict=True)])
        discount = sum([line[6] for line in lines])
        rows.append((*key, quantity, price, sum(discounted), charge, quantity / count, price / count, discount / count,
                     count))  # fmt: skip
    return rows


def q2(tables: Tables) -> Rows:
    regions = {region[0] for region in tables["region"] if region[1] == "EUROPE"}
    nations = {nation[0]: nation[1] for nation in tables["nation"] if nation[2] in regions}
    suppliers = {supplier[0]: supplier for supplier in tables["supplier"] if supplier[3] in nations}
    parts = {part[0]: part for part in tables["part"] if part[5] < 15 and part[4].lower().endswith("brass")}
    offers = defaultdict(list)
    for offer in tables["partsupp"]:
        if offer[0] in parts and offer[1] in suppliers:
            offers[offer[0]].append(offer)
    rows = []
    for key, listed in offers.items():
        least = min([offer[3] for offer in listed])
        for offer in listed:
            if offer[3] == least:
                s = suppliers[offer[1]]
                rows.append((s[5], s[1], nations[s[3]], key, parts[key][2], s[2], s[4], s[6]))
    rows.sort(key=itemgetter(2, 1, 3))
    rows.sort(key=itemgetter(0), reverse=True)
    return rows[:100]


def q3(tables: Tables) -> Rows:
    customers = {customer[0] for customer in tables["customer"] if customer[6] == "BUILDING"}
    orders = {o[0]: o for o in tables["orders"] if o[4] < "1995-03-15" and o[1] in customers}
    sums: dict[int, float] = defaultdict(float)
    for line in tables["lineitem"]:
        if line[10] > "1995-03-15" and line[0] in orders:
            sums[line[0]] += line[5] * (1 - line[6])
    rows = [(key, revenue, orders[key][4], orders[key][7]) for key, revenue in sums.items()]
    rows.sort(key=itemgetter(2, 0))
    rows.sort(key=itemgetter(1), reverse=True)
    return rows[:10]


def q4(tables: Tables) -> Rows:
    orders = {o[0]: o[5] for o in tables["orders"] if "1993-07-01" <= o[4] < "1993-10-01"}
    late = {line[0] for line in tables["lineitem"] if line[0] in orders and line[11] < line[12]}
    return sorted(Counter([orders[key] for key in late]).items())


def q5(tables: Tables) -> Rows:
    regions = {region[0] for region in tables["region"] if region[1] == "ASIA"}
    nations = {nation[0]: nation[1] for nation in tables["nation"] if nation[2] in regions}
    suppliers = {supplier[0]: supplier[3] for supplier in tables["supplier"] if supplier[3] in nations}
    customers = {customer[0]: customer[3] for customer in tables["customer"] if customer[3] in nations}
    orders = {
        o[0]: customers[o[1]] for o in tables["orders"] if "1994-01-01" <= o[4] < "1995-01-01" and o[1] in customers
    }
    sums: dict[str, float] = defaultdict(float)
    for line in tables["lineitem"]:
        nation = orders.get(line[0])
        if nation is not None and suppliers.get(line[2]) == nation:
            sums[nations[nation]] += line[5] * (1 - line[6])
    return sorted(sums.items(), key=itemgetter(1), reverse=True)


def q6(tables: Tables) -> Rows:
    return [(
        sum([
            line[5] * line[6]
            for line in tables["lineitem"]
            if line[4] < 24 and 0.05 <= line[6] <= 0.07 and "1994-01-01" <= line[10] < "1995-01-01"
        ]),
    )]  # fmt: skip


def q7(tables: Tables) -> Rows:
    nations = {nation[0]: nation[1] for nation in tables["nation"] if nation[1] in ("FRANCE", "GERMANY")}
    suppliers = {s[0]: nations[s[3]] for s in tables["supplier"] if s[3] in nations}
    customers = {c[0]: nations[c[3]] for c in tables["customer"] if c[3] in nations}
    orders = {o[0]: customers[o[1]] for o in tables["orders"] if o[1] in customers}
    sums: dict[tuple[str, str, str], float] = defaultdict(float)
    for line in tables["lineitem"]:
        seller = suppliers.get(line[2])
        if seller is not None and "1995-01-01" <= line[10] <= "1996-12-31":
            buyer = orders.get(line[0])
            if buyer is not None and buyer != seller:
                sums[seller, buyer, line[10][:4]] += line[5] * (1 - line[6])
    return [(*key, value) for key, value in sorted(sums.items())]


def q8(tables: Tables) -> Rows:
    regions = {region[0] for region in tables["region"] if region[1] == "AMERICA"}
    american = {nation[0] for nation in tables["nation"] if nation[2] in regions}
    brazil = {nation[0] for nation in tables["nation"] if nation[1] == "BRAZIL"}
    suppliers = {supplier[0]: supplier[3] in brazil for supplier in tables["supplier"]}
    parts = {part[0] for part in tables["part"] if part[4].lower().startswith("economy")}
    customers = {customer[0] for customer in tables["customer"] if customer[3] in american}
    orders = {
        o[0]: o[4][:4] for o in tables["orders"] if "1995-01-01" <= o[4] <= "1996-12-31" and o[1] in customers
    }
    whole: dict[str, float] = defaultdict(float)
    share: dict[str, float] = defaultdict(float)
    for line in tables["lineitem"]:
        if line[1] in parts:
            year = orders.get(line[0])
            if year is not None:
                volume = line[5] * (1 - line[6])
                whole[year] += volume
                if suppliers[line[2]]:
                    share[year] += volume
    return [(year, share[year] / whole[year]) for year in sorted(whole)]


def q9(tables: Tables) -> Rows:
    nations = {nation[0]: nation[1] for nation in tables["nation"]}
    suppliers = {supplier[0]: nations[supplier[3]] for supplier in tables["supplier"]}
    parts = {part[0] for part in tables["part"] if "green" in part[1].lower()}
    costs = {(offer[0], offer[1]): offer[3] for offer in tables["partsupp"] if offer[0] in parts}
    years = {o[0]: o[4][:4] for o in tables["orders"]}
    sums: dict[tuple[str, str], float] = defaultdict(float)
    for line in tables["lineitem"]:
        if line[1] in parts:
            amount = line[5] * (1 - line[6]) - costs[line[1], line[2]] * line[4]
            sums[suppliers[line[2]], years[line[0]]] += amount
    rows = [(*key, value) for key, value in sums.items()]
    rows.sort(key=itemgetter(1), reverse=True)
    rows.sort(key=itemgetter(0))
    return rows


def q10(tables: Tables) -> Rows:
    orders = {o[0]: o[1] for o in tables["orders"] if "1993-10-01" <= o[4] < "1994-01-01"}
    sums: dict[int, float] = defaultdict(float)
    for line in tables["lineitem"]:
        if line[8] == "R" and line[0] in orders:
            sums[orders[line[0]]] += line[5] * (1 - line[6])
    nations = {nation[0]: nation[1] for nation in tables["nation"]}
    rows = [
        (c[0], c[1], sums[c[0]], c[5], nations[c[3]], c[2], c[4], c[7]) for c in tables["customer"] if c[0] in sums
    ]
    rows.sort(key=itemgetter(0))
    rows.sort(key=itemgetter(2), reverse=True)
    return rows[:20]


def q11(tables: Tables) -> Rows:
    nations = {nation[0] for nation in tables["nation"] if nation[1] == "GERMANY"}
    suppliers = {supplier[0] for supplier in tables["supplier"] if supplier[3] in nations}
    sums: dict[int, float] = defaultdict(float)
    for offer in tables["partsupp"]:
        if offer[1] in suppliers:
            sums[offer[0]] += offer[3] * offer[2]
    least = sum(sums.values()) * 0.005
    rows = sorted([(key, value) for key, value in sums.items() if value > least])
    rows.sort(key=itemgetter(1), reverse=True)
    return rows


def q12(tables: Tables) -> Rows:
    urgent = {o[0] for o in tables["orders"] if o[5] in ("1-URGENT", "2-HIGH")}
    high: dict[str, int] = Counter()
    low: dict[str, int] = Counter()
    for line in tables["lineitem"]:
        if line[14] in ("MAIL", "SHIP") and "1994-01-01" <= line[12] < "1995-01-01":
            if line[11] < line[12] and line[10] < line[11]:
                if line[0] in urgent:
                    high[line[14]] += 1
                else:
                    low[line[14]] += 1
    return [(mode, high[mode], low[mode]) for mode in sorted({*high, *low})]


def q13(tables: Tables) -> Rows:
    def is_counted(said: str) -> bool:
        start = said.find("special")
        return start < 0 or said.find("requests", start + len("special")) < 0

    counts = Counter([o[1] for o in tables["orders"] if is_counted(o[8].lower())])
    rows = list(Counter([counts[customer[0]] for customer in tables["customer"]]).items())
    rows.sort(key=itemgetter(1, 0), reverse=True)
    return rows


def q14(tables: Tables) -> Rows:
    promoted = {part[0] for part in tables["part"] if part[4].lower().startswith("promo")}
    lines = [line for line in tables["lineitem"] if "1995-09-01" <= line[10] < "1995-10-01"]
    whole = sum([line[5] * (1 - line[6]) for line in lines])
    return [(100.0 * sum([line[5] * (1 - line[6]) for line in lines if line[1] in promoted]) / whole,)]


def q15(tables: Tables) -> Rows:
    sums: dict[int, float] = defaultdict(float)
    for line in tables["lineitem"]:
        if "1996-01-01" <= line[10] < "1996-04-01":
            sums[line[2]] += line[5] * (1 - line[6])
    totals = {key: round(value, 2) for key, value in sums.items()}
    best = max(totals.values())
    return [(s[0], s[1], s[2], s[4], best) for s in tables["supplier"] if totals.get(s[0]) == best]


def q16(tables: Tables) -> Rows:
    complaints = {s[0] for s in tables["supplier"] if "customer" in (said := s[6].lower()) and "complaints" in said}
    sizes = {49, 14, 23, 45, 19, 3, 36, 9}
    parts = {
        p[0]: (p[3], p[4], p[5])
        for p in tables["part"]
        if p[5] in sizes and p[3] != "Brand#45" and not p[4].lower().startswith("medium polished")
    }
    groups = defaultdict(set)
    for offer in tables["partsupp"]:
        if offer[0] in parts and offer[1] not in complaints:
            groups[parts[offer[0]]].add(offer[1])
    rows = [(*key, len(suppliers)) for key, suppliers in groups.items()]
    rows.sort(key=itemgetter(0, 1, 2))
    rows.sort(key=itemgetter(3), reverse=True)
    return rows


def q17(tables: Tables) -> Rows:
    parts = {p[0] for p in tables["part"] if p[3] == "Brand#23" and p[6].lower().startswith("med")}
    lines = defaultdict(list)
    for line in tables["lineitem"]:
        if line[1] in parts:
            lines[line[1]].append(line)
    found = 0.0
    for listed in lines.values():
        most = 0.2 * (sum([line[4] for line in listed]) / len(listed))
        found += sum([line[5] for line in listed if line[4] < most])
    return [(found / 7.0,)]


def q18(tables: Tables) -> Rows:
    sums: dict[int, float] = defaultdict(float)
    for line in tables["lineitem"]:
        sums[line[0]] += line[4]
    large = {key for key, value in sums.items() if value > 250}
    names = {customer[0]: customer[1] for customer in tables["customer"]}
    rows = [(names[o[1]], o[1], o[0], o[4], o[3], sums[o[0]]) for o in tables["orders"] if o[0] in large]
    rows.sort(key=itemgetter(3, 2))
    rows.sort(key=itemgetter(4), reverse=True)
    return rows[:100]


def q19(tables: Tables) -> Rows:
    wanted = {
        "Brand#12": ({"SM CASE", "SM BOX", "SM PACK", "SM PKG"}, 1, 11, 25),
        "Brand#23": ({"MED BAG", "MED BOX", "MED PKG", "MED PACK"}, 10, 20, 30),
        "Brand#34": ({"LG CASE", "LG BOX", "LG PACK", "LG PKG"}, 20, 30, 35),
    }
    parts = {}
    for part in tables["part"]:
        found = wanted.get(part[3])
        if found is not None and part[6] in found[0] and 1 <= part[5] <= found[3]:
            parts[part[0]] = found[1], found[2]
    revenue = []
    for line in tables["lineitem"]:
        bounds = parts.get(line[1])
        if bounds is not None and bounds[0] <= line[4] <= bounds[1] and line[14] in ("AIR", "REG AIR", "MAIL"):
            revenue.append(line[5] * (1 - line[6]))
    return [(sum(revenue) if revenue else None,)]


def q20(tables: Tables) -> Rows:
    nations = {nation[0] for nation in tables["nation"] if nation[1] in ("CANADA", "BRAZIL", "PERU")}
    parts = {part[0] for part in tables["part"] if part[1].lower().startswith("forest")}
    sums: dict[tuple[int, int], float] = defaultdict(float)
    for line in tables["lineitem"]:
        if line[1] in parts and "1994-01-01" <= line[10] < "1995-01-01":
            sums[line[1], line[2]] += line[4]
    sellers = {
        offer[1]
        for offer in tables["partsupp"]
        if offer[0] in parts and (offer[0], offer[1]) in sums and offer[2] > 0.5 * sums[offer[0], offer[1]]
    }
    return sorted([(s[1], s[2]) for s in tables["supplier"] if s[3] in nations and s[0] in sellers])


def q21(tables: Tables) -> Rows:
    nations = {nation[0] for nation in tables["nation"] if nation[2] in (1, 2)}
    suppliers = {supplier[0]: supplier[1] for supplier in tables["supplier"] if supplier[3] in nations}
    finished = {o[0] for o in tables["orders"] if o[2] == "F"}
    sellers, late = defaultdict(set), defaultdict(list)
    for line in tables["lineitem"]:
        if line[0] in finished:
            sellers[line[0]].add(line[2])
            if line[12] > line[11]:
                late[line[0]].append(line[2])
    counts: dict[str, int] = Counter()
    for order, listed in late.items():
        if len(sellers[order]) > 1 and len(set(listed)) == 1 and listed[0] in suppliers:
            counts[suppliers[listed[0]]] += len(listed)
    rows = sorted(counts.items())
    rows.sort(key=itemgetter(1), reverse=True)
    return rows[:100]


def q22(tables: Tables) -> Rows:
    codes = {"13", "31", "23", "29", "30", "18", "17"}
    customers = [(c[4][:2], c[5], c[0]) for c in tables["customer"] if c[4][:2] in codes]
    positive = [balance for _, balance, _ in customers if balance > 0]
    mean = sum(positive) / len(positive)
    buyers = {o[1] for o in tables["orders"]}
    groups = defaultdict(list)
    for code, balance, key in customers:
        if balance > mean and key not in buyers:
            groups[code].append(balance)
    return [(code, len(listed), sum(listed)) for code, listed in sorted(groups.items())]


QUERIES = (q1, q2, q3, q4, q5, q6, q7, q8, q9, q10, q11, q12, q13, q14, q15, q16, q17, q18, q19, q20, q21, q22)
BY_HAND: dict[str, Callable[[Tables], Rows]] = {query.__name__: query for query in QUERIES}
