"""Metrics of a node in Prometheus' text format, and the port where they are scraped: `serve --metrics HOST:PORT`.

    GET /metrics  -->  tandemdb_lsn{database="shop",node="a:7432"} 870
                       tandemdb_role{database="shop",node="a:7432",role="primary"} 1
                       tandemdb_secondary_lag_commits{database="shop",node="a:7432",secondary="b:7432",mode="sync"} 0

Made from the node's status when it is asked for: nothing is counted per commit. The port tells numbers and names, takes
no commands, and knows no secret: let it listen where only those who may know them can reach it.
"""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tandemdb.replication.errors import LinkLost
from tandemdb.replication.events import counts

if TYPE_CHECKING:
    from tandemdb.replication.node import Node

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
READ_SECONDS = 5.0
ROLES = ("primary", "secondary", "fenced", "waiting")

# Name, type, what it tells; the value is found under `path` in a status.
NODE_METRICS = (
    ("tandemdb_lsn", "gauge", "Number of the last commit shown here.", "lsn"),
    ("tandemdb_epoch", "gauge", "Epoch of this node's data.", "epoch"),
    ("tandemdb_blocks", "gauge", "Blocks of records.", "blocks"),
    ("tandemdb_exposed", "gauge", "1 while commits are acknowledged without lost secondaries.", "exposed"),
    ("tandemdb_clients", "gauge", "Connections of clients.", "clients"),
    ("tandemdb_orphans", "gauge", "Commits that this former primary's successor lacks.", "orphans"),
    ("tandemdb_uptime_seconds", "gauge", "Since the node was started.", "uptime_seconds"),
)
SECONDARY_METRICS = (
    ("tandemdb_secondary_in_step", "gauge", "1 while it gets every commit as its mode wants it.", "in_step"),
    ("tandemdb_secondary_applied_lsn", "gauge", "Last commit that it has acknowledged.", "applied"),
    ("tandemdb_secondary_lag_commits", "gauge", "Commits that it lacks.", "lag_commits"),
    ("tandemdb_secondary_lag_bytes", "gauge", "Their size in the change log.", "lag_bytes"),
    ("tandemdb_secondary_lag_seconds", "gauge", "Age of the oldest of them.", "lag_seconds"),
    ("tandemdb_secondary_blocks_shipped_total", "counter", "Blocks copied to it.", "blocks_shipped"),
)
FOLLOWING_METRICS = (
    ("tandemdb_following_linked", "gauge", "1 while the link to the primary stands.", "linked"),
    ("tandemdb_following_lag_commits", "gauge", "Commits that the primary has told of and this node does not show.",
     "lag_commits"),
    ("tandemdb_following_heard_seconds", "gauge", "How long the primary has been silent.", "heard_seconds"),
)  # fmt: skip
COORDINATION_METRICS = (
    ("tandemdb_may_acknowledge", "gauge", "1 while the lease lets this node acknowledge commits.", "may_acknowledge"),
    ("tandemdb_may_be_promoted", "gauge", "1 while the coordinator's record names this node.", "may_be_promoted"),
    ("tandemdb_record_epoch", "gauge", "Epoch of the coordinator's record.", "epoch"),
)


def write_metrics(found: dict[str, Any]) -> str:
    """Write a node's status as metrics."""
    return "".join(f"{line}\n" for line in metric_lines(found))


def metric_lines(found: dict[str, Any]) -> Iterator[str]:
    labels = {"database": found["database"], "node": found["node"]}
    yield from head("tandemdb_role", "gauge", "1 for the role that the node has.")
    for role in ROLES:
        yield sample("tandemdb_role", {**labels, "role": role}, found["role"] == role)
    yield from group(NODE_METRICS, [(labels, found)])
    entries = [
        ({**labels, "secondary": entry["name"], "mode": entry["mode"]}, {**entry, "in_step": keeps_up(entry)})
        for entry in found["secondaries"]
    ]
    yield from group(SECONDARY_METRICS, entries)
    for key, metrics in (("following", FOLLOWING_METRICS), ("coordination", COORDINATION_METRICS)):
        if key in found:
            yield from group(metrics, [(labels, found[key])])
    yield from head("tandemdb_events_total", "counter", "Events of replication in this process, by name.")
    for event, count in sorted(counts.items()):
        yield sample("tandemdb_events_total", {**labels, "event": event}, count)


def keeps_up(entry: dict[str, Any]) -> bool:
    """Tell whether a secondary is where its mode wants it."""
    return entry["state"] == "in step" or (entry["mode"], entry["state"]) == ("async", "following")


def group(
    metrics: tuple[tuple[str, str, str, str], ...], entries: list[tuple[dict[str, str], dict[str, Any]]]
) -> Iterator[str]:
    """Write each metric with all its samples together, as the format wants it."""
    for name, kind, help_text, path in metrics if entries else ():
        yield from head(name, kind, help_text)
        for labels, values in entries:
            yield sample(name, labels, values[path])


def head(name: str, kind: str, help_text: str) -> tuple[str, str]:
    return f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"


def sample(name: str, labels: dict[str, str], value: float) -> str:
    shown = ",".join(f'{label}="{escape(text)}"' for label, text in labels.items())
    return f"{name}{{{shown}}} {float(value):g}" if isinstance(value, float) else f"{name}{{{shown}}} {int(value)}"


def escape(text: str) -> str:
    return str(text).replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


class MetricsServer:
    """Serves one node's metrics; `start`, then `stop`."""

    def __init__(self, node: Node, host: str, port: int) -> None:
        """Listen.

        Raises:
            LinkLost: the address cannot be listened on.
        """

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = READ_SECONDS

            def do_GET(self) -> None:
                if self.path.partition("?")[0] != "/metrics":
                    self.send_error(404, "only /metrics is here")
                    return
                body = write_metrics(node.status()).encode()
                self.send_response(200)
                self.send_header("Content-Type", CONTENT_TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing of requests."""

        try:
            self._server = http.server.ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise LinkLost(f"unable to listen on {host}:{port}: {error.strerror or error}") from error
        self._server.daemon_threads = True
        self.host, self.port = str(self._server.server_address[0]), int(self._server.server_address[1])

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, name="tandemdb metrics", daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
