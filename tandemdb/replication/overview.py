"""Overviews: what a database is in replication and how far those around it have come, for programs and for people.

    describe(database) -> dict        plain values: what a node's status sends
    overview(database) -> Overview    a list of SecondaryStatus with role, epoch, LSN; str() draws it
    draw(dict)         -> lines
        tandemdb://127.0.0.1:7432/shop: primary, epoch 1, LSN 870, 41 blocks
        secondary b: sync, copying, LSN 0, 870 commits, 61,400 bytes, 2.1 s behind
          [##########....................] 14 of 41 blocks
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tandemdb.replication.core import blocks
from tandemdb.replication.follower import Follower
from tandemdb.replication.replica import is_exposed, orphans, status
from tandemdb.replication.secondary_status import SecondaryStatus
from tandemdb.replication.system import find_system

if TYPE_CHECKING:
    from tandemdb.replication.system import System
    from tandemdb.storage import Database

BAR_CHARACTERS = 30


class Overview(list[SecondaryStatus]):
    """How far each secondary and each backup target has come, and what the database itself is."""

    def __init__(self, described: dict[str, Any]) -> None:
        super().__init__(SecondaryStatus(**entry) for entry in described["secondaries"])
        self._described = described
        self.role: str = described["role"]
        self.epoch: int = described["epoch"]
        self.lsn: int = described["lsn"]
        self.is_exposed: bool = described["exposed"]
        self.following: dict[str, Any] | None = described.get("following")

    def __str__(self) -> str:
        return "\n".join(draw(self._described))


def overview(database: Database) -> Overview:
    """Tell all there is to tell about a database of this process. Cost: no message sent."""
    return Overview(describe(database))


def overview_of_status(found: dict[str, Any]) -> Overview:
    """Make an overview of what a node's status has brought."""
    entries = [{**entry, "plans": tuple(entry["plans"])} for entry in found["secondaries"]]
    return Overview({**found, "secondaries": entries})


def describe(database: Database) -> dict[str, Any]:
    """Describe a database in plain values."""
    system, root = find_system(database), database.root
    described: dict[str, Any] = {
        "database": database.name,
        "role": role_of(database, system),
        "epoch": system.identity.epoch if system is not None else 0,
        "lsn": root.lsn,
        "blocks": blocks.block_count(root),
        "read_only": database.read_only is not None,
        "exposed": is_exposed(database),
        "cluster": system.identity.cluster.hex() if system is not None else "",
        "orphans": len(orphans(database)),
        "orphans_lost": system.orphans_lost if system is not None else 0,
        "secondaries": [entry._asdict() for entry in status(database)],
    }
    if system is not None and system.store is not None:
        described["store"] = {"address": str(system.store.address), "lost": system.store.lost}
    if system is not None and system.secondary is not None:
        described["following"] = describe_following(system, root.lsn)
    return described


def role_of(database: Database, system: System | None) -> str:
    """Return "primary", "secondary", "fenced", or "waiting": for a coordinator's word on who leads."""
    if system is None:
        return "primary"
    if system.secondary is not None:
        return "secondary"
    if system.authority is not None and not system.in_office:
        return "waiting"
    publisher = system.publisher
    return "fenced" if publisher is not None and publisher.core.fenced_by is not None else "primary"


def describe_following(system: System, lsn: int) -> dict[str, Any]:
    """Say whom a secondary follows, and how far it is; `heard_seconds` is how long its primary has been silent."""
    secondary, link = system.secondary, system.link
    assert secondary is not None
    staging = secondary.staging
    address = link.address if isinstance(link, Follower) else None
    return {
        "state": secondary.state,
        "mode": secondary.mode,
        "primary": str(address) if address is not None else "",
        "suspended": isinstance(link, Follower) and link.is_cut and secondary.state == "detached",
        "linked": link.is_linked if isinstance(link, Follower) else link is not None and not link.is_cut,
        "primary_lsn": secondary.primary_lsn,
        "received": secondary.received_lsn,
        "received_transaction": secondary.received_transaction,
        "lag_commits": max(0, secondary.primary_lsn - lsn),
        "heard_seconds": round(time.monotonic() - secondary.heard_at, 3) if address and secondary.heard_at else 0.0,
        "blocks_received": len(staging.images) if staging is not None else 0,
        "blocks_planned": staging.plan.estimated_blocks if staging is not None else 0,
        "reason": (link.reason if isinstance(link, Follower) else "") or secondary.reason,
    }


def draw(found: dict[str, Any]) -> list[str]:
    """Draw a status for people, a line for each thing there is to say."""
    lines = [
        "{place}: {role}, epoch {epoch}, LSN {lsn}, {blocks:,} blocks".format_map(
            {**found, "place": found.get("address") or found["database"] or "this database"}
        )
    ]
    if "node" in found:
        cluster = f", cluster {found['cluster']:.8}" if found["cluster"] else ""
        lines.append("node {node}, process {process}, {clients} clients".format_map(found) + cluster)
    if found["exposed"]:
        lines.append("EXPOSED: commits are acknowledged without the secondaries that were lost")
    if found.get("store"):
        address, lost = found["store"]["address"], found["store"]["lost"]
        lines.append(f"store {address}: {f'LOST, commits are refused: {lost}' if lost else 'has every commit'}")
    if found.get("following"):
        lines += draw_following(found["following"])
    if found.get("coordination"):
        lines += draw_coordination(found["coordination"], found["role"])
    for entry in found["secondaries"]:
        lines.append(
            "secondary {name}: {mode}, {state}, LSN {applied}, {lag_commits} commits, {lag_bytes:,} bytes, "
            "{lag_seconds:.1f} s behind".format_map(entry)
        )
        if entry["state"] == "copying":
            lines.append(draw_bar(entry["blocks_sent"], entry["blocks_planned"]))
        elif entry["state"] not in ("in step", "following") and entry["reason"]:
            lines.append(f"  {entry['reason']}")
    if found["orphans"]:
        lines.append(f"{found['orphans']} orphans: commits of its time as primary that its successor lacks")
    if found["orphans_lost"]:
        lines.append(f"{found['orphans_lost']} commits of its time as primary are gone: no log held them any more")
    return lines


def draw_following(following: dict[str, Any]) -> list[str]:
    if following["suspended"]:
        state = "suspended"
    elif following["state"] == "detached":
        state = "linked" if following["linked"] else "not linked"
    else:
        state = f"{following['state']}, {'linked' if following['linked'] else 'not linked'}"
    shown = {**following, "state": state, "primary": following["primary"] or "a primary that connects"}
    lines = ["follows {primary}: {mode}, {state}, {lag_commits} commits behind".format_map(shown)]
    if following["suspended"]:
        return lines
    if following["state"] == "copying":
        lines.append(draw_bar(following["blocks_received"], following["blocks_planned"]))
    # Of one that follows it is why the last catch-up went as it did: no news.
    if following["reason"] and not (following["linked"] and following["state"] == "following"):
        lines.append(f"  {following['reason']}")
    return lines


def draw_coordination(found: dict[str, Any], role: str) -> list[str]:
    names = ", ".join(found["sync_set"]) or "none"
    lines = [f"coordinator's record: epoch {found['epoch']}, primary {found['primary']}, may be promoted: {names}"]
    if found["reason"]:
        lines.append(f"  {found['reason']}")
    if role == "primary" and not found["may_acknowledge"]:
        lines.append("TAKES NO WRITES: its lease could not be renewed")
    return lines


def draw_bar(done: int, total: int) -> str:
    """Draw how much of a transfer is there."""
    share = min(1.0, done / total) if total else 0.0
    filled = round(share * BAR_CHARACTERS)
    return f"  [{'#' * filled}{'.' * (BAR_CHARACTERS - filled)}] {done:,} of {total:,} blocks"
