"""Which source a join reads next: a small one that no condition links looks cheap, but multiplies all that follow."""

from __future__ import annotations

import random

import pytest

from tests.planner.twins import Twins

TABLES = """
create table part (id integer primary key, size integer, kind text);
create table offer (part integer, seller integer, cost real, primary key (part, seller));
create table seller (id integer primary key, nation integer, name text);
create table nation (id integer primary key, region integer, name text);
create table region (id integer primary key, name text)
"""
LINKED = "offer.part = part.id and seller.id = offer.seller and seller.nation = nation.id and nation.region = region.id"
CHEAPEST = f"""
select part.id, seller.name, nation.name from part, seller, offer, nation, region
where {LINKED} and part.size < 15 and part.kind like '%brass' and region.name = 'r1'
  and offer.cost = (select min(cost) from offer as other where other.part = part.id)
order by 1, 2, 3
"""


@pytest.fixture(scope="module")
def shop() -> Twins:
    twins = Twins(TABLES)
    draw = random.Random(5)
    for number in range(5):
        twins.run("insert into region values (?, ?)", number, f"r{number}")
    for number in range(25):
        twins.run("insert into nation values (?, ?, ?)", number, number % 5, f"n{number}")
    for number in range(100):
        twins.run("insert into seller values (?, ?, ?)", number, draw.randrange(25), f"s{number}")
    kinds = ("fine brass", "steel", "plain Brass", "tin", "zinc", "lead")
    for number in range(2000):
        twins.run("insert into part values (?, ?, ?)", number, draw.randrange(50), draw.choice(kinds))
        for seller in draw.sample(range(100), 4):
            twins.run("insert into offer values (?, ?, ?)", number, seller, draw.randrange(9) / 2)
    return twins


def sources(lines: list[str]) -> list[str]:
    """The tables in the order in which the outer query reads them."""
    names = []
    for line in lines:
        if line.startswith("CORRELATED"):
            break
        if line.startswith(("SCAN", "SEARCH")):
            names.append(line.split()[1])
    return names


def test_a_chain_is_followed_though_its_other_end_is_small(shop: Twins) -> None:
    assert sources(shop.plan(CHEAPEST)) == ["part", "offer", "seller", "nation", "region"]
    assert len(shop.same(CHEAPEST)) > 10


def test_what_no_condition_links_is_still_read_where_there_is_nothing_else(shop: Twins) -> None:
    query = "select part.id, nation.name from part, nation where part.size = 3 and nation.region = 1 order by 1, 2"
    assert sorted(sources(shop.plan(query))) == ["nation", "part"]
    shop.same(query)


def test_a_condition_on_all_sources_links_none_of_them(shop: Twins) -> None:
    """It is a subquery, and waits until all are there."""
    query = f"select count(*), sum(offer.cost) from region, part, offer, seller, nation where {LINKED} and exists ("
    query += "select 1 from offer as other where other.cost > region.id + nation.id / 10 and other.part = part.id)"
    shop.same(query)
    found = sources(shop.plan(query))
    positions = [found.index(name) for name in ("offer", "seller", "nation", "region")]
    assert positions in (sorted(positions), sorted(positions, reverse=True)), found
