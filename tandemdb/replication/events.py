"""Events: what replication writes into the log, by name, so that a program can act on it.

    emit("exposed", node="a:7432", lsn=41, lost=["b:7432"])
      --> logger "tandemdb.replication", WARNING, "a:7432 is EXPOSED: ...", and on the record
          record.event = "exposed", record.node, record.lsn, record.lost

`EVENTS` is the whole list: level and text of each; the fields of a record are the words in braces. docs/replication.md
has the same list for readers, and a test compares the two. Nothing here is written per commit.
"""

from __future__ import annotations

import logging
import threading
from typing import Any, NamedTuple

log = logging.getLogger("tandemdb.replication")


# How often each event has happened in this process, for the metrics.
counts: dict[str, int] = {}
_lock = threading.Lock()


class Event(NamedTuple):
    level: int
    text: str


EVENTS: dict[str, Event] = {
    "listening": Event(logging.INFO, "{node} listens on {address}"),
    "secondary_registered": Event(logging.INFO, "{node}: secondary {secondary} registered, {mode}"),
    "secondary_in_step": Event(logging.INFO, "{node}: secondary {secondary} is in step at LSN {lsn}"),
    "secondary_differs": Event(
        logging.ERROR, "{node} at LSN {lsn}: what secondary {secondary} was sent does not fit what it holds: {reason}"
    ),
    "damaged": Event(
        logging.ERROR,
        "{node} at LSN {lsn} has damaged blocks, their digests are not those kept up: {blocks}; unless they are mended"
        " from those it is linked with now, do it from another node, by tandemdb repair",
    ),
    "repaired": Event(logging.WARNING, "{node} at LSN {lsn}: damaged blocks were mended from another node: {blocks}"),
    "link_lost": Event(logging.WARNING, "link to secondary {secondary} lost: {reason}"),
    "primary_lost": Event(logging.WARNING, "secondary {node}: {reason}"),
    "exposed": Event(
        logging.WARNING, "{node} is EXPOSED at LSN {lsn}: commits are not acknowledged by {lost}, which is lost ({why})"
    ),
    "covered": Event(logging.INFO, "{node} is covered again at LSN {lsn}: {secondary} is in step"),
    "not_visible": Event(
        logging.WARNING, "{node}: LSN {lsn} is acknowledged, and no secondary has said in time that it shows it"
    ),
    "stopped": Event(logging.ERROR, "{node} takes no more writes at LSN {lsn}: {lost} is lost, and the policy is stop"),
    "fenced": Event(logging.WARNING, "{node} is fenced by epoch {epoch}"),
    "leads": Event(logging.WARNING, "{node} leads epoch {epoch} from LSN {lsn}"),
    "record_changed": Event(
        logging.INFO, "{node} has changed the record: epoch {epoch}, primary {primary}, sync_set {sync_set}"
    ),
    "store_lost": Event(logging.ERROR, "{node} takes no more commits: its store at {store} is lost: {reason}"),
    "waiting": Event(logging.WARNING, "{node} waits: {reason}"),
    "promotion_failed": Event(logging.WARNING, "{node} stood for promotion and does not lead: {reason}"),
    "lease_lost": Event(logging.WARNING, "{node} takes no writes: {reason}"),
    "coordinator_lost": Event(logging.WARNING, "{node}: {reason}"),
    "keeper_failed": Event(logging.ERROR, "{node} is unable to do its part: {reason}"),
    "target_lost": Event(logging.WARNING, "backup target {target} is lost: {reason}"),
    "target_refused": Event(logging.ERROR, "backup target {target} takes no more commits: {reason}"),
    "target_superseded": Event(logging.ERROR, "backup target {target} is another primary's now: {reason}"),
    "orphans_lost": Event(
        logging.ERROR, "{commits} commits of {node} behind LSN {lsn} are gone: no successor has them, and no log"
    ),
    "promoted": Event(logging.WARNING, "{node} promoted: epoch {epoch} from LSN {lsn}"),
}


def emit(event: str, **fields: Any) -> None:
    """Log an event with its fields on the record."""
    level, text = EVENTS[event]
    with _lock:
        counts[event] = counts.get(event, 0) + 1
    if log.isEnabledFor(level):
        shown = {name: written(value) for name, value in fields.items()}
        log.log(level, "%s", text.format_map(shown), extra={"event": event, **fields})


def written(value: Any) -> Any:
    return (", ".join(value) or "nobody") if isinstance(value, list) else value
