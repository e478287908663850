"""diskcache: a cache, a queue and an index in a directory, used by several threads."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import diskcache


def play(directory: Path, driver: str) -> Iterator[Any]:
    with diskcache.Cache(str(directory / "cache"), size_limit=10**6, eviction_policy="least-recently-used") as cache:
        for number in range(50):
            cache.set(f"key {number}", {"number": number}, tag="even" if number % 2 == 0 else "odd")
        cache["bytes"] = b"\0" * 10
        cache[3.5] = "float key"
        cache[("tuple", 1)] = None
        cache.set("large", "x" * 100_000)
        cache.set("gone", 1, expire=-1)
        yield [len(cache), cache["key 7"], cache[3.5], cache.get("gone", "absent"), cache.get("nothing")]
        yield [
            cache.incr("count"),
            cache.incr("count", 10),
            cache.decr("count"),
            cache.add("count", 5),
            cache.pop("count"),
        ]
        yield [cache.get("key 4", tag=True), cache.touch("key 4", expire=1000), "key 4" in cache, cache.delete("key 4")]
        yield [cache.evict("odd"), len(cache), cache.create_tag_index(), cache.evict("even"), len(cache)]
        yield [sorted(map(repr, cache.iterkeys())), [repr(key) for key in cache], cache.peekitem(last=False)]
        yield [
            cache.push("first"),
            cache.push("second"),
            cache.push("zeroth", side="front"),
            cache.pull(),
            cache.peek(),
        ]
        with cache.transact():
            cache["a"] = 1
            cache["b"] = 2
        try:
            with cache.transact():
                cache["a"] = 3
                raise ZeroDivisionError
        except ZeroDivisionError:
            yield cache["a"]
        yield [[str(warning.message) for warning in cache.check()], cache.stats(enable=True), cache["a"], cache.stats()]
        yield [cache.expire(), cache.cull(), cache.clear(), len(cache)]

        def add(worker: int) -> None:
            for number in range(20):
                cache.incr("shared")
                cache[worker, number] = number
            cache.close()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(add, range(4)))
        yield [cache["shared"], len(cache)]

        @cache.memoize(tag="memo")
        def double(number: int) -> int:
            return number * 2

        yield [double(4), double(4), cache.evict("memo")]
    deque = diskcache.Deque("abcde", directory=str(directory / "deque"))
    deque.rotate(2)
    deque.append("z")
    deque.appendleft("y")
    yield [list(deque), deque.pop(), deque.popleft(), deque[1], len(deque), list(reversed(deque))]
    index = diskcache.Index(str(directory / "index"), {"a": 1, "b": [2]})
    index.update(c=3)
    yield [
        dict(index),
        index.popitem(),
        index.setdefault("d", 4),
        list(index.keys()),
        index == {"a": 1, "b": [2], "d": 4},
    ]
    with diskcache.FanoutCache(str(directory / "fanout"), shards=3, timeout=1) as fanout:
        for number in range(30):
            fanout[number] = str(number)
        yield [len(fanout), fanout[17], sum(1 for _ in fanout), fanout.delete(17), fanout.get(17)]
    with diskcache.Cache(str(directory / "cache")) as again:
        yield [again["shared"], len(again), again.size_limit, again.eviction_policy]
