"""What a picture costs in the gateway: requests to a provider that has every picture at once.

`python -m benchmarks.images` prints a table. The service is a process of its own with everything on the disk; one
client asks for one picture after another. So all of a request is the gateway's: the envelope, the turn, a workspace,
the picture kept with its entry in the index, and the answer with a signed URL or the picture itself.
"""

import http.client
import json
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from .instant_pictures import a_picture
from .overhead.processes import cpu_s
from .service import Running, serving

SIZE = 256 * 2**10
ROUNDS = 15
REQUESTS = 20
GOAL_MS = 5
SETTINGS = f"""
[[providers]]
name = "instant"
kind = "benchmarks.instant_pictures:InstantPictures"
base_url = "http://localhost"
models = ["picture"]
options = {{ size_bytes = {SIZE} }}
"""


@frozen
class Case:
    """One way to ask, and what each request of it took."""

    delivery: str
    in_session: bool
    took_s: list[float] = field(init=False, factory=list)
    used_s: list[float] = field(init=False, factory=list)

    @property
    def row(self) -> str:
        how = "in the answer" if self.delivery == "inline" else "by a signed URL"
        where = "a turn of a session" if self.in_session else "alone"
        took_ms = 1000 * statistics.median(self.took_s)
        p95_ms = 1000 * statistics.quantiles(self.took_s, n=20)[18]
        cpu_ms = 1000 * statistics.median(self.used_s)
        return f"| {how} | {where} | {took_ms:.1f} | {p95_ms:.1f} | {cpu_ms:.1f} |"


class Client:
    """One connection to the service."""

    def __init__(self, service: Running) -> None:
        self._connection = http.client.HTTPConnection(service.url.removeprefix("http://"))

    def post(self, path: str, body: Mapping[str, Any]) -> bytes:
        self._connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise SystemExit(f"The service answers {answer.status}: {content[:500]!r}")
        return content

    def close(self) -> None:
        self._connection.close()


def ask(service: Running, case: Case) -> None:
    """One round of requests of one kind, on a connection of its own: the service ends those that idle."""
    client = Client(service)
    body = {"model": "instant/picture", "input": "a picture", "delivery": case.delivery}
    if case.in_session:
        body["session_id"] = json.loads(client.post("/v1/sessions", {}))["id"]
    used = cpu_s(service.pid)
    for _ in range(REQUESTS):
        begun = time.perf_counter()
        client.post("/v1/generations/image", body)
        case.took_s.append(time.perf_counter() - begun)
    case.used_s.append((cpu_s(service.pid) - used) / REQUESTS)
    client.close()


def written_s(folder: Path) -> float:
    """How long the disk takes for such a picture under its final name: written, synced, renamed, synced."""
    begun = time.perf_counter()
    with (folder / "partial").open("wb") as file:
        file.write(a_picture(SIZE))
        file.flush()
        os.fsync(file.fileno())
    (folder / "partial").rename(folder / "whole")
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    return time.perf_counter() - begun


def report() -> str:
    """A Markdown table."""
    cases = [Case(delivery, in_session) for in_session in (False, True) for delivery in ("inline", "url")]
    disk: list[float] = []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:  # not /tmp, which may be memory
        folder = Path(name)
        with serving(folder / "models", SETTINGS, folder) as service:
            ask(service, Case("inline", in_session=True))  # to warm up
            for _ in range(ROUNDS):
                disk += [written_s(folder) for _ in range(REQUESTS)]
                for case in cases:
                    ask(service, case)
    return "\n".join(
        [
            f"Pictures of {SIZE >> 10} kB from a provider that takes no time, one request after another; goal: less "
            f"than {GOAL_MS} ms. To write such a file durably the disk takes {1000 * statistics.median(disk):.1f} ms.",
            "",
            "| the picture comes | the request is | ms, median | ms, p95 | CPU ms |",
            "|---|---|---|---|---|",
            *(case.row for case in cases),
        ]
    )


if __name__ == "__main__":
    print(report())
