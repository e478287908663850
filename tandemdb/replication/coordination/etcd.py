"""etcd as the coordinator, by its JSON gateway (3.4 and newer) and the `requests` library: the extra `tandemdb[etcd]`.

    PREFIX/record   the record; its mod_revision is the revision that `cas` compares
    PREFIX/leader   the holder of the lease, bound to an etcd lease: etcd deletes it when that lapses

    cas      one transaction: if mod_revision(record) = … and value(leader) = holder and lease(leader) = number, put
    lease    grant, then a transaction: if leader does not exist, put it bound to the lease, else revoke

Requests go to the endpoint that answered last, then to the others. One that is sent again after all had arrived does no
harm: its comparison fails then, and whoever asked reads how things are.
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from tandemdb.errors import NotSupportedError
from tandemdb.replication.coordination.coordinator import CoordinatorLost, Lease, State
from tandemdb.replication.coordination.record import Record, decode, encode

try:
    import requests
except ImportError as error:
    raise NotSupportedError(
        "etcd needs the library requests", hint="Install it: pip install requests"
    ) from error


REFUSED_SECONDS = 0.1


class EtcdCoordinator:
    """Keeps one cluster's record under `prefix`."""

    def __init__(
        self,
        endpoints: list[str],
        prefix: str,
        timeout_seconds: float = 1.0,
        tls_ca: str = "",
        tls_cert: str = "",
        tls_key: str = "",
    ) -> None:
        scheme = "https" if tls_ca or tls_cert else "http"
        self._endpoints = [f"{scheme}://{endpoint}" for endpoint in endpoints]
        self._timeout_seconds = timeout_seconds
        self._verify: str | bool = tls_ca or True
        self._certificate = (tls_cert, tls_key) if tls_cert else None
        self._record = encode_key(f"{prefix}/record")
        self._leader = encode_key(f"{prefix}/leader")
        self._prefix = encode_key(f"{prefix}/")
        self._behind_prefix = encode_key(f"{prefix}0")  # "0" follows "/"

    def read(self) -> State:
        found = self._post("kv/range", {"key": self._prefix, "range_end": self._behind_prefix})
        pairs = {pair["key"]: pair for pair in found.get("kvs", ())}
        record, leader = pairs.get(self._record), pairs.get(self._leader)
        return State(
            None if record is None else decode(base64.b64decode(record["value"])),
            0 if record is None else int(record["mod_revision"]),
            "" if leader is None else base64.b64decode(leader["value"]).decode(),
            int(found["header"]["revision"]),
        )

    def cas(self, revision: int, record: Record, lease: Lease) -> int | None:
        value = encode_key(json.dumps(encode(record)))
        answer = self._post(
            "kv/txn",
            {
                "compare": [
                    {"key": self._record, "target": "MOD", "mod_revision": str(revision)},
                    {"key": self._leader, "target": "VALUE", "value": encode_key(lease.holder)},
                    {"key": self._leader, "target": "LEASE", "lease": str(lease.number)},
                ],
                "success": [{"request_put": {"key": self._record, "value": value}}],
            },
        )
        return int(answer["header"]["revision"]) if answer.get("succeeded") else None

    def lease(self, holder: str, seconds: float) -> Lease | None:
        granted = self._post("lease/grant", {"TTL": str(max(1, round(seconds))), "ID": "0"})
        lease = Lease(holder, int(granted["ID"]), float(granted["TTL"]))
        put = {"key": self._leader, "value": encode_key(holder), "lease": str(lease.number)}
        answer = self._post(
            "kv/txn",
            {
                "compare": [{"key": self._leader, "target": "CREATE", "create_revision": "0"}],
                "success": [{"request_put": put}],
            },
        )
        if answer.get("succeeded"):
            return lease
        self.release(lease)
        return None

    def renew(self, lease: Lease) -> bool:
        answer = self._post("lease/keepalive", {"ID": str(lease.number)})
        return int(answer.get("result", {}).get("TTL", 0)) > 0

    def release(self, lease: Lease) -> None:
        self._post("lease/revoke", {"ID": str(lease.number)}, may_fail=True)

    def watch(self, state: State, seconds: float) -> State:
        """Wait for the next event under the prefix; etcd streams one JSON object a line."""
        began = time.monotonic()
        asked = {
            "create_request": {
                "key": self._prefix,
                "range_end": self._behind_prefix,
                "start_revision": str(state.moment + 1),
            }
        }
        try:
            with requests.post(
                f"{self._endpoints[0]}/v3/watch",
                json=asked,
                stream=True,
                timeout=(self._timeout_seconds, seconds),
                verify=self._verify,
                cert=self._certificate,
            ) as answer:
                for line in answer.iter_lines():
                    if b'"events"' in line or b'"canceled"' in line:
                        break
        except requests.RequestException:
            pass  # Nothing happened in that time, or etcd is gone: reading tells.
        found = self.read()
        if found.moment == state.moment and time.monotonic() - began < REFUSED_SECONDS:
            time.sleep(REFUSED_SECONDS)  # It lets nobody watch: whoever asks again at once only burdens it.
        return found

    def close(self) -> None:
        """Nothing is open between requests."""

    def _post(self, path: str, body: dict[str, Any], may_fail: bool = False) -> dict[str, Any]:
        """Ask etcd, endpoint after endpoint.

        Raises:
            CoordinatorLost: none answers.
        """
        reason = ""
        for endpoint in self._endpoints:
            try:
                answer = requests.post(
                    f"{endpoint}/v3/{path}",
                    json=body,
                    timeout=self._timeout_seconds,
                    verify=self._verify,
                    cert=self._certificate,
                )
                found: dict[str, Any] = answer.json()
            except (requests.RequestException, ValueError) as error:
                reason = f"{type(error).__name__}: {error}"
                continue
            if answer.ok or may_fail:
                # Another thread may be here, too: each leaves a list that is whole.
                self._endpoints = [endpoint, *[each for each in self._endpoints if each != endpoint]]
                return found
            reason = str(found.get("error", answer.status_code))
        raise CoordinatorLost("etcd does not answer", detail=reason)


def encode_key(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
