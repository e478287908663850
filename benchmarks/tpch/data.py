"""TPC-H's eight tables at scale 0.01, from a fixed seed.

    region 5 ─ nation 25 ─┬ supplier 100 ─┐
                          │               ├ partsupp 8,000 ─ part 2,000
                          └ customer 1,500 ─ orders 15,000 ─ lineitem ~60,000

Amounts are whole cents divided by 100, as in the standard; dates are ISO text.
"""

from __future__ import annotations

import datetime
import random
from typing import Any

from benchmarks.measure import Data

SUPPLIERS, PARTS, CUSTOMERS, ORDERS = 100, 2_000, 1_500, 15_000
NATIONS = [
    ("ALGERIA", 0), ("ARGENTINA", 1), ("BRAZIL", 1), ("CANADA", 1), ("EGYPT", 4), ("ETHIOPIA", 0), ("FRANCE", 3),
    ("GERMANY", 3), ("INDIA", 2), ("INDONESIA", 2), ("IRAN", 4), ("IRAQ", 4), ("JAPAN", 2), ("JORDAN", 4),
    ("KENYA", 0), ("MOROCCO", 0), ("MOZAMBIQUE", 0), ("PERU", 1), ("CHINA", 2), ("ROMANIA", 3), ("SAUDI ARABIA", 4),
    ("VIETNAM", 2), ("RUSSIA", 3), ("UNITED KINGDOM", 3), ("UNITED STATES", 1),
]  # fmt: skip
REGIONS = ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"]
COLOURS = """almond azure blue brown coral cream forest frosted ghost green honeydew indian ivory khaki lemon lime navy
    olive plum red""".split()
TYPES = [
    ["STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO"],
    ["ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED"],
    ["TIN", "NICKEL", "BRASS", "STEEL", "COPPER"],
]
CONTAINERS = [["SM", "LG", "MED", "JUMBO", "WRAP"], ["CASE", "BOX", "BAG", "JAR", "PKG", "PACK", "CAN", "DRUM"]]
SEGMENTS = ["AUTOMOBILE", "BUILDING", "FURNITURE", "MACHINERY", "HOUSEHOLD"]
PRIORITIES = ["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"]
MODES = ["REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"]
INSTRUCTIONS = ["DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"]
WORDS = """carefully final deposits sleep furiously express packages about the ironic accounts nag quickly pending
    requests""".split()
FIRST_DAY, DAYS = datetime.date(1992, 1, 1), 2406

SCHEMA = """
CREATE TABLE region (r_regionkey INTEGER PRIMARY KEY, r_name TEXT, r_comment TEXT);
CREATE TABLE nation (n_nationkey INTEGER PRIMARY KEY, n_name TEXT, n_regionkey INTEGER, n_comment TEXT);
CREATE TABLE supplier (s_suppkey INTEGER PRIMARY KEY, s_name TEXT, s_address TEXT, s_nationkey INTEGER, s_phone
  TEXT, s_acctbal REAL, s_comment TEXT);
CREATE TABLE part (p_partkey INTEGER PRIMARY KEY, p_name TEXT, p_mfgr TEXT, p_brand TEXT, p_type TEXT, p_size
  INTEGER, p_container TEXT, p_retailprice REAL, p_comment TEXT);
CREATE TABLE partsupp (ps_partkey INTEGER, ps_suppkey INTEGER, ps_availqty INTEGER, ps_supplycost REAL,
  ps_comment TEXT, PRIMARY KEY (ps_partkey, ps_suppkey));
CREATE TABLE customer (c_custkey INTEGER PRIMARY KEY, c_name TEXT, c_address TEXT, c_nationkey INTEGER, c_phone
  TEXT, c_acctbal REAL, c_mktsegment TEXT, c_comment TEXT);
CREATE TABLE orders (o_orderkey INTEGER PRIMARY KEY, o_custkey INTEGER, o_orderstatus TEXT, o_totalprice REAL,
  o_orderdate TEXT, o_orderpriority TEXT, o_clerk TEXT, o_shippriority INTEGER, o_comment TEXT);
CREATE TABLE lineitem (l_orderkey INTEGER, l_partkey INTEGER, l_suppkey INTEGER, l_linenumber INTEGER,
  l_quantity REAL, l_extendedprice REAL, l_discount REAL, l_tax REAL, l_returnflag TEXT, l_linestatus TEXT,
  l_shipdate TEXT, l_commitdate TEXT, l_receiptdate TEXT, l_shipinstruct TEXT, l_shipmode TEXT, l_comment TEXT,
  PRIMARY KEY (l_orderkey, l_linenumber));
"""
KEYS = """
CREATE INDEX orders_custkey ON orders (o_custkey);
CREATE INDEX lineitem_partkey ON lineitem (l_partkey, l_suppkey);
CREATE INDEX partsupp_suppkey ON partsupp (ps_suppkey);
"""


def fill(connection: Any) -> None:
    """Make and fill all tables on a connection."""
    connection.executescript(SCHEMA)
    for name, rows in make_tables().items():
        marks = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
    connection.commit()
    connection.executescript(KEYS)


_made: dict[str, list[tuple[Any, ...]]] = {}


def make_tables() -> dict[str, list[tuple[Any, ...]]]:
    """The rows of all tables; made once in a process."""
    if not _made:
        draw = random.Random(1992)
        _made["region"] = [(key, name, comment(draw)) for key, name in enumerate(REGIONS)]
        _made["nation"] = [(key, name, region, comment(draw)) for key, (name, region) in enumerate(NATIONS)]
        _made["supplier"] = [supplier(draw, key) for key in range(1, SUPPLIERS + 1)]
        _made["part"] = [part(draw, key) for key in range(1, PARTS + 1)]
        _made["partsupp"] = [
            (key, supplier_of(key, turn), draw.randrange(1, 10_000), draw.randrange(100, 100_100) / 100, comment(draw))
            for key in range(1, PARTS + 1)
            for turn in range(4)
        ]
        _made["customer"] = [customer(draw, key) for key in range(1, CUSTOMERS + 1)]
        _made["orders"], _made["lineitem"] = orders(draw, _made["part"])
    return _made


def comment(draw: random.Random) -> str:
    return " ".join(draw.choices(WORDS, k=draw.randrange(3, 7)))


def phone(draw: random.Random, nation: int) -> str:
    return f"{nation + 10}-{draw.randrange(100, 1000)}-{draw.randrange(100, 1000)}-{draw.randrange(1000, 10000)}"


def supplier(draw: random.Random, key: int) -> tuple[Any, ...]:
    nation = draw.randrange(25)
    said = f"{comment(draw)} Customer slow Complaints" if key % 20 == 0 else comment(draw)
    return (
        key,
        f"Supplier#{key:09d}",
        f"street {draw.randrange(999)}",
        nation,
        phone(draw, nation),
        draw.randrange(-99999, 999999) / 100,
        said,
    )


def part(draw: random.Random, key: int) -> tuple[Any, ...]:
    maker = draw.randrange(1, 6)
    return (
        key,
        " ".join(draw.sample(COLOURS, 5)),
        f"Manufacturer#{maker}",
        f"Brand#{maker}{draw.randrange(1, 6)}",
        " ".join(draw.choice(words) for words in TYPES),
        draw.randrange(1, 51),
        " ".join(draw.choice(words) for words in CONTAINERS),
        (90_000 + (key // 10) % 20_001 + 100 * (key % 1000)) / 100,
        comment(draw),
    )


def supplier_of(part_key: int, turn: int) -> int:
    return (part_key + turn * (SUPPLIERS // 4 + (part_key - 1) // SUPPLIERS)) % SUPPLIERS + 1


def customer(draw: random.Random, key: int) -> tuple[Any, ...]:
    nation = draw.randrange(25)
    balance = draw.randrange(-99999, 999999) / 100
    return (
        key,
        f"Customer#{key:09d}",
        f"road {draw.randrange(999)}",
        nation,
        phone(draw, nation),
        balance,
        draw.choice(SEGMENTS),
        comment(draw),
    )


def orders(draw: random.Random, parts: list[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Orders with one to seven lines each; a third of the customers never order."""
    made, lines = [], []
    for key in range(1, ORDERS + 1):
        buyer = draw.randrange(1, CUSTOMERS + 1)
        buyer -= buyer % 3 == 0
        day = FIRST_DAY + datetime.timedelta(days=draw.randrange(DAYS - 151))
        own = [line(draw, key, number, day, parts) for number in range(1, draw.randrange(2, 9))]
        lines += own
        states = {one[9] for one in own}
        state = states.pop() if len(states) == 1 else "P"
        total = round(sum(one[5] * (1 + one[7]) * (1 - one[6]) for one in own), 2)
        said = "the special packages requests" if key % 50 == 0 else comment(draw)
        made.append(
            (
                key,
                buyer,
                state,
                total,
                day.isoformat(),
                draw.choice(PRIORITIES),
                f"Clerk#{draw.randrange(1, 11):09d}",
                0,
                said,
            )
        )
    return made, lines


def line(
    draw: random.Random, order: int, number: int, day: datetime.date, parts: list[tuple[Any, ...]]
) -> tuple[Any, ...]:
    bought = parts[draw.randrange(PARTS)]
    quantity = draw.randrange(1, 51)
    shipped = day + datetime.timedelta(days=draw.randrange(1, 122))
    committed = day + datetime.timedelta(days=draw.randrange(30, 91))
    received = shipped + datetime.timedelta(days=draw.randrange(1, 31))
    today = datetime.date(1995, 6, 17)
    flag = draw.choice("RA") if received <= today else "N"
    return (
        order, bought[0], supplier_of(bought[0], draw.randrange(4)), number, float(quantity),
        round(quantity * bought[7], 2), draw.randrange(0, 11) / 100, draw.randrange(0, 9) / 100, flag,
        "F" if shipped <= today else "O", shipped.isoformat(), committed.isoformat(), received.isoformat(),
        draw.choice(INSTRUCTIONS), draw.choice(MODES), comment(draw),
    )  # fmt: skip


TPCH = Data("tpch", fill)
