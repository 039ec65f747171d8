"""Downloads by the running service beside curl, from one file server on loopback, and what the service's memory does.

`python -m benchmarks.downloads` prints a table. Both write to the same disk; all take turns, each `ROUNDS` times. The
server is aiohttp's, which has the kernel send the file. The service also computes the sha256 and has the file on the
disk before it says that it is complete; curl does neither, so beside it stands curl with `sha256sum` and `sync`.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from tests.integration.service import Service, free_port

MB = 10**6
SIZE = 1_000 * MB
ROUNDS = 5
GOAL = 0.8
GOAL_MB = 60


@contextmanager
def serving_file(path: Path) -> Iterator[str]:
    """A file server; gives the URL of the file."""
    port = free_port()
    with subprocess.Popen([sys.executable, "-m", "benchmarks.file_server", str(port), str(path)]) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            while True:
                try:
                    httpx.get(url, headers={"Range": "bytes=0-0"})
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            yield url
        finally:
            process.terminate()


class Memory:
    """The most that a process has had since it was last asked."""

    def __init__(self, pid: int) -> None:
        self._process, self._most, self._ended = psutil.Process(pid), 0, threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def take(self) -> int:
        """The most, in bytes; begins anew."""
        most, self._most = self._most, 0
        return max(most, self._process.memory_info().rss)

    def end(self) -> None:
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(0.02):
            try:
                self._most = max(self._most, self._process.memory_info().rss)
            except psutil.NoSuchProcess:
                return


def by_curl(url: str, folder: Path, *, checked: bool) -> float:
    """Seconds that curl takes."""
    target = folder / "curl.gguf"
    begun = time.perf_counter()
    subprocess.run(["curl", "-s", "-o", str(target), f"{url}/model.gguf"], check=True)
    if checked:
        subprocess.run(["sha256sum", str(target)], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["sync", str(target)], check=True)
    took = time.perf_counter() - begun
    target.unlink()
    return took


def by_service(url: str, service: Service) -> float:
    """Seconds from the request to the end of the download."""
    begun = time.perf_counter()
    with httpx.Client(base_url=f"{service.url}/v1", timeout=None, trust_env=False) as http:
        answer = http.post("/downloads", json={"source": f"{url}/model.gguf"})
        answer.raise_for_status()
        with http.stream("GET", f"/downloads/{answer.json()['id']}/events") as events:
            last = list(events.iter_lines())
    took = time.perf_counter() - begun
    if not any(line == "event: completed" for line in last):
        raise SystemExit(f"The download did not come to its end: {last[-2:]}")
    shutil.rmtree(service.folder / "models" / "model")
    return took


def measured(folder: Path, url: str) -> dict[str, list[float]]:
    """Seconds of each, and the growth of memory in MB."""
    services = {}
    for streams in (1, 4):
        place = folder / f"service{streams}"
        place.mkdir()
        settings = f'[downloads]\nprivate_origins = ["{url}"]\nstreams = {streams}\nmin_free_bytes = 0\n'
        services[streams] = Service(place, place / "models", settings)
    ways: dict[str, Callable[[], float]] = {
        "curl": lambda: by_curl(url, folder, checked=False),
        "curl, sha256sum and sync": lambda: by_curl(url, folder, checked=True),
        "the service, one stream": lambda: by_service(url, services[1]),
        "the service, four streams": lambda: by_service(url, services[4]),
    }
    found: dict[str, list[float]] = {name: [] for name in [*ways, "memory"]}
    with services[1], services[4]:
        watched = [Memory(it.process.pid) for it in services.values()]
        before = [it.take() for it in watched]
        for _ in range(ROUNDS):
            for name, way in ways.items():
                found[name].append(way())
        found["memory"] = [(it.take() - was) / MB for it, was in zip(watched, before, strict=True)]
        for it in watched:
            it.end()
    return found


def main() -> None:
    """Print the table."""
    place = os.environ.get("BENCH_FOLDER")
    with tempfile.TemporaryDirectory(dir=place) as name:
        folder = Path(name)
        with (folder / "model.gguf").open("wb") as file:
            file.write(b"GGUF")
            for _ in range(SIZE // MB):
                file.write(os.urandom(MB))
            os.fsync(file.fileno())
        with serving_file(folder / "model.gguf") as url:
            found = measured(folder, url)
    memory = found.pop("memory")
    curl = statistics.median(found["curl"])
    print(f"A file of {SIZE // MB} MB.\n\n| | s | MB/s | of curl |\n|---|---|---|---|")
    for way, times in found.items():
        s = statistics.median(times)
        print(f"| {way} | {s:.2f} | {SIZE / MB / s:,.0f} | {curl / s:.0%} |")
    print(
        f"\nGoal at one stream: {GOAL:.0%} of curl. The service's memory grew by at most {max(memory):.0f} MB", end=""
    )
    print(f" in {ROUNDS} downloads (goal: {GOAL_MB}).")


if __name__ == "__main__":
    main()
