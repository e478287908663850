"""The retained change log, beside a plain list of commits."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tandemdb.replication.core.log import RUN_BYTES, RUNS_MIN, ChangeLog
from tandemdb.replication.core.messages import LSN, LogRun

BASE = 40
CHANGE = (2, 5, 0, 1, (1,))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 3)),
        st.tuples(st.just("extend"), st.lists(st.integers(1, 4), min_size=1, max_size=9)),
        st.tuples(st.just("keep above"), st.integers(-3, 12)),
    ),
    max_size=25,
)


def changes(count: int) -> list[tuple[int, int, int, int, tuple[int]]]:
    return [CHANGE] * count


@settings(max_examples=200)
@given(STEPS, st.data())
def test_it_holds_what_was_not_dropped(steps: list[tuple[str, object]], data: st.DataObject) -> None:
    log = ChangeLog(LSN(BASE), 1 << 40, 7)
    model: list[LogRun] = []  # all commits there ever were
    base = BASE
    for number, (kind, what) in enumerate(steps):
        last = BASE + len(model)
        if kind == "append" and isinstance(what, int):
            log.append(LSN(last + 1), 100 + len(model), changes(what), number, 10 * what, float(number))
            model.append(LogRun(LSN(last + 1), 100 + len(model), changes(what), (what,), number, float(number)))
        elif kind == "extend" and isinstance(what, list):
            log.extend(100 + len(model), changes(sum(what)), tuple(what), 10 * sum(what), float(number))
            for count in what:
                at = LSN(BASE + len(model) + 1)
                model.append(LogRun(at, 100 + len(model), changes(count), (count,), None, float(number)))
        elif isinstance(what, int):
            base = max(base, min(base + what, last))
            log.keep_above(LSN(base))
    last = BASE + len(model)
    held = model[base - BASE :]
    assert (log.base.lsn, log.last_lsn, len(log)) == (base, last, last - base)
    assert plain(log.commits_after(LSN(base))) == plain(held)
    for lsn in range(base - 2, last + 3):
        found = log.find(LSN(lsn))
        expected = model[lsn - BASE - 1] if base < lsn <= last else None
        assert (found is None) == (expected is None and lsn != base)
        if found is not None and expected is not None:
            assert tuple(found) == (expected.lsn, expected.transaction, expected.root, expected.time)
        assert log.reaches_back_to(LSN(lsn)) == (base <= lsn <= last)
    if base > BASE:
        dropped = model[base - BASE - 1]
        assert (log.base.transaction, log.base.root) == (dropped.transaction, dropped.root)
    if held:
        after = data.draw(st.integers(base, last - 1))
        count_max, bytes_max = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 300))
        runs = log.runs_after(LSN(after), count_max, bytes_max)
        sent = [run for part in runs for run in part.each()]
        expected_run = model[after - BASE : after - BASE + len(sent)]
        assert 1 <= len(sent) <= max(count_max, len(runs[0].counts))
        assert plain(sent) == plain(expected_run)
        assert log.changes_after(LSN(after)) == sum(len(entry.changes) for entry in model[after - BASE :])
        rest = [part.after(LSN(after + 1)) for part in runs]
        assert sum(len(part.counts) for part in rest if part is not None) == len(sent) - 1


def plain(runs: list[LogRun]) -> list[tuple[object, ...]]:
    return [(run.lsn, run.transaction, list(run.changes), tuple(run.counts), run.root, run.time) for run in runs]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(1, 200))
def test_it_stays_within_its_bytes(counts: list[int], bytes_max: int) -> None:
    log = ChangeLog(LSN(0), bytes_max)
    for count in counts:
        before = log.last_lsn
        log.extend(before + 1, changes(count), (1,) * count, 10 * count, 0.0)
        assert log.last_lsn == before + count
        assert 0 <= log.bytes <= bytes_max
        assert log.bytes_after(log.base.lsn) == log.bytes
        assert log.bytes_after(log.last_lsn) == 0
        sizes = [log.bytes_after(LSN(lsn)) for lsn in range(log.base.lsn, log.last_lsn + 1)]
        assert sizes == sorted(sizes, reverse=True)
        # Half of what it may hold is not thrown away: the oldest run is, a half at a time.
        assert log.bytes * 2 + 20 >= min(bytes_max, 10 * log.last_lsn)


def test_small_commits_one_by_one_are_bounded_by_the_memory_they_take() -> None:
    """A change of a few bytes takes hundreds as it is held here; the bytes of a message say nothing of that."""
    log = ChangeLog(LSN(0), bytes_max=RUNS_MIN * RUN_BYTES * 2)
    for number in range(RUNS_MIN * 5):
        log.append(LSN(number + 1), number, (), None, 10, 0.0)
    assert len(log) == RUNS_MIN * 2 and log.last_lsn == RUNS_MIN * 5
    small = ChangeLog(LSN(0), bytes_max=1 << 16)
    for number in range(RUNS_MIN * 2):
        small.append(LSN(number + 1), number, (), None, 10, 0.0)
    assert len(small) == RUNS_MIN and small.reaches_back_to(LSN(RUNS_MIN))
