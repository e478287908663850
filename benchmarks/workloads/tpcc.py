"""A mix like TPC-C's, with a generator of its own: one warehouse, and a business day of 400 short transactions.

new order 45 %   payment 43 %   order status 4 %   delivery 4 %   stock level 4 %

warehouse 1 ─ district 10 ─ customer 300 ─ orders ─ order_line n ─ stock 1,000 ─ item 1,000
"""

from __future__ import annotations

import random
from typing import Any

from benchmarks.measure import Data

DISTRICTS, CUSTOMERS, ITEMS, TRANSACTIONS = 10, 30, 1_000, 400

SCHEMA = """
CREATE TABLE warehouse (w_id INTEGER PRIMARY KEY, w_tax REAL, w_ytd REAL);
CREATE TABLE district (d_w_id INTEGER, d_id INTEGER, d_tax REAL, d_ytd REAL, d_next_o_id INTEGER, PRIMARY KEY
  (d_w_id, d_id));
CREATE TABLE customer (c_w_id INTEGER, c_d_id INTEGER, c_id INTEGER, c_last TEXT, c_balance REAL, c_payments
  INTEGER, PRIMARY KEY (c_w_id, c_d_id, c_id));
CREATE INDEX customer_last ON customer (c_w_id, c_d_id, c_last);
CREATE TABLE item (i_id INTEGER PRIMARY KEY, i_name TEXT, i_price REAL);
CREATE TABLE stock (s_w_id INTEGER, s_i_id INTEGER, s_quantity INTEGER, s_ytd INTEGER, PRIMARY KEY (s_w_id,
  s_i_id));
CREATE TABLE orders (o_w_id INTEGER, o_d_id INTEGER, o_id INTEGER, o_c_id INTEGER, o_carrier_id INTEGER, o_lines
  INTEGER, PRIMARY KEY (o_w_id, o_d_id, o_id));
CREATE INDEX orders_customer ON orders (o_w_id, o_d_id, o_c_id);
CREATE TABLE new_order (no_w_id INTEGER, no_d_id INTEGER, no_o_id INTEGER, PRIMARY KEY (no_w_id, no_d_id,
  no_o_id));
CREATE TABLE order_line (ol_w_id INTEGER, ol_d_id INTEGER, ol_o_id INTEGER, ol_number INTEGER, ol_i_id INTEGER,
  ol_quantity INTEGER, ol_amount REAL, ol_delivered INTEGER, PRIMARY KEY (ol_w_id, ol_d_id, ol_o_id,
  ol_number));
CREATE TABLE history (h_c_id INTEGER, h_d_id INTEGER, h_amount REAL);
"""


def fill(connection: Any) -> None:
    """The warehouse before the day begins."""
    draw = random.Random(21)
    connection.executescript(SCHEMA)
    connection.execute("INSERT INTO warehouse VALUES (1, 0.125, 0.0)")
    districts = range(1, DISTRICTS + 1)
    connection.executemany("INSERT INTO district VALUES (1, ?, 0.0625, 0.0, 1)", [(d,) for d in districts])
    people = [(d, c, f"NAME{c % 10}") for d in districts for c in range(1, CUSTOMERS + 1)]
    connection.executemany("INSERT INTO customer VALUES (1, ?, ?, ?, 0.0, 0)", people)
    connection.executemany(
        "INSERT INTO item VALUES (?, ?, ?)", [(i, f"item {i}", draw.randrange(4, 400) / 4) for i in range(1, ITEMS + 1)]
    )
    connection.executemany(
        "INSERT INTO stock VALUES (1, ?, ?, 0)", [(i, draw.randrange(10, 100)) for i in range(1, ITEMS + 1)]
    )
    connection.commit()


TPCC = Data("tpcc", fill)


def business_day(connection: Any) -> Any:
    """Run the day's transactions, each committed by itself; the answer is the books at the end."""
    draw, answers = random.Random(22), []
    for _ in range(TRANSACTIONS):
        kind = draw.randrange(100)
        if kind < 45:
            new_order(connection, draw)
        elif kind < 88:
            payment(connection, draw)
        elif kind < 92:
            answers.append(order_status(connection, draw))
        elif kind < 96:
            delivery(connection)
        else:
            answers.append(stock_level(connection, draw))
        connection.commit()
    books = [connection.execute(f"SELECT count(*), sum({column}) FROM {table}").fetchone() for table, column in TOTALS]
    return answers, books


TOTALS = [
    ("warehouse", "w_ytd"),
    ("district", "d_next_o_id"),
    ("customer", "c_balance"),
    ("stock", "s_quantity"),
    ("orders", "o_carrier_id"),
    ("new_order", "no_o_id"),
    ("order_line", "ol_amount"),
    ("history", "h_amount"),
]


def new_order(connection: Any, draw: random.Random) -> None:
    execute = connection.execute
    district, customer = draw.randrange(1, DISTRICTS + 1), draw.randrange(1, CUSTOMERS + 1)
    wanted = [(item, draw.randrange(1, 11)) for item in draw.sample(range(1, ITEMS + 1), draw.randrange(5, 16))]
    tax = execute("SELECT w_tax FROM warehouse WHERE w_id = 1").fetchone()[0]
    query = "SELECT d_tax, d_next_o_id FROM district WHERE d_w_id = 1 AND d_id = ?"
    own_tax, number = execute(query, (district,)).fetchone()
    execute("UPDATE district SET d_next_o_id = d_next_o_id + 1 WHERE d_w_id = 1 AND d_id = ?", (district,))
    execute("INSERT INTO orders VALUES (1, ?, ?, ?, NULL, ?)", (district, number, customer, len(wanted)))
    execute("INSERT INTO new_order VALUES (1, ?, ?)", (district, number))
    for place, (item, quantity) in enumerate(wanted, 1):
        price = execute("SELECT i_price FROM item WHERE i_id = ?", (item,)).fetchone()[0]
        left = execute("SELECT s_quantity FROM stock WHERE s_w_id = 1 AND s_i_id = ?", (item,)).fetchone()[0]
        left = left - quantity if left >= quantity + 10 else left - quantity + 91
        execute(
            "UPDATE stock SET s_quantity = ?, s_ytd = s_ytd + ? WHERE s_w_id = 1 AND s_i_id = ?", (left, quantity, item)
        )
        amount = quantity * price * (1 + tax + own_tax)
        execute(
            "INSERT INTO order_line VALUES (1, ?, ?, ?, ?, ?, ?, NULL)",
            (district, number, place, item, quantity, amount),
        )


def payment(connection: Any, draw: random.Random) -> None:
    execute = connection.execute
    district, amount = draw.randrange(1, DISTRICTS + 1), draw.randrange(4, 20_000) / 4
    execute("UPDATE warehouse SET w_ytd = w_ytd + ? WHERE w_id = 1", (amount,))
    execute("UPDATE district SET d_ytd = d_ytd + ? WHERE d_w_id = 1 AND d_id = ?", (amount, district))
    query = "SELECT c_id FROM customer WHERE c_w_id = 1 AND c_d_id = ? AND c_last = ? ORDER BY c_id"
    found = execute(query, (district, f"NAME{draw.randrange(10)}")).fetchall()
    customer = found[len(found) // 2][0]
    text = """UPDATE customer SET c_balance = c_balance - ?, c_payments = c_payments + 1
      WHERE c_w_id = 1 AND c_d_id = ? AND c_id = ?"""
    execute(text, (amount, district, customer))
    execute("INSERT INTO history VALUES (?, ?, ?)", (customer, district, amount))


def order_status(connection: Any, draw: random.Random) -> Any:
    district, customer = draw.randrange(1, DISTRICTS + 1), draw.randrange(1, CUSTOMERS + 1)
    query = """SELECT o_id, o_carrier_id FROM orders
      WHERE o_w_id = 1 AND o_d_id = ? AND o_c_id = ? ORDER BY o_id DESC LIMIT 1"""
    last = connection.execute(query, (district, customer)).fetchone()
    if last is None:
        return None
    query = """SELECT ol_i_id, ol_quantity, ol_amount FROM order_line
      WHERE ol_w_id = 1 AND ol_d_id = ? AND ol_o_id = ? ORDER BY ol_number"""
    return last, connection.execute(query, (district, last[0])).fetchall()


def delivery(connection: Any) -> None:
    execute = connection.execute
    for district in range(1, DISTRICTS + 1):
        number = execute(
            "SELECT min(no_o_id) FROM new_order WHERE no_w_id = 1 AND no_d_id = ?", (district,)
        ).fetchone()[0]
        if number is None:
            continue
        key = (district, number)
        execute("DELETE FROM new_order WHERE no_w_id = 1 AND no_d_id = ? AND no_o_id = ?", key)
        customer = execute("SELECT o_c_id FROM orders WHERE o_w_id = 1 AND o_d_id = ? AND o_id = ?", key).fetchone()[0]
        execute("UPDATE orders SET o_carrier_id = 7 WHERE o_w_id = 1 AND o_d_id = ? AND o_id = ?", key)
        execute("UPDATE order_line SET ol_delivered = 1 WHERE ol_w_id = 1 AND ol_d_id = ? AND ol_o_id = ?", key)
        query = "SELECT sum(ol_amount) FROM order_line WHERE ol_w_id = 1 AND ol_d_id = ? AND ol_o_id = ?"
        amount = execute(query, key).fetchone()[0]
        text = "UPDATE customer SET c_balance = c_balance + ? WHERE c_w_id = 1 AND c_d_id = ? AND c_id = ?"
        execute(text, (amount, district, customer))


def stock_level(connection: Any, draw: random.Random) -> Any:
    district = draw.randrange(1, DISTRICTS + 1)
    number = connection.execute(
        "SELECT d_next_o_id FROM district WHERE d_w_id = 1 AND d_id = ?", (district,)
    ).fetchone()[0]
    query = """SELECT count(DISTINCT s_i_id) FROM order_line JOIN stock ON s_w_id = 1 AND s_i_id = ol_i_id
      WHERE ol_w_id = 1 AND ol_d_id = ? AND ol_o_id BETWEEN ? AND ? AND s_quantity < 40"""
    return connection.execute(query, (district, number - 20, number - 1)).fetchone()
