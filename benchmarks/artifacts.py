"""Downloads of a large artifact by its signed URL, beside file servers that do nothing else.

`python -m benchmarks.artifacts` prints a table. All take turns, each `ROUNDS` times; one client reads as fast as it can
and looks at nothing. nginx is measured where it is installed.
"""

import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil

from .instant_pictures import a_picture
from .service import MB, serving

SIZE = 50 * MB
ROUNDS = 15
GOAL = 0.6
SETTINGS = f"[artifacts]\nupload_limit_bytes = {SIZE}\n"
NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr;
events {{}}
http {{ access_log off; sendfile on; server {{ listen 127.0.0.1:{port}; root {folder}; }} }}
"""


class Client:
    """One connection; it counts what comes and keeps none of it."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._socket = socket.create_connection((place.hostname, place.port))
        self._request = f"GET {place.path}?{place.query} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode()
        self._buffer = bytearray(2**20)

    def seconds(self) -> float:
        """How long one download takes."""
        begun = time.perf_counter()
        self._socket.sendall(self._request)
        left = None
        while left is None or left > 0:
            got = self._socket.recv_into(self._buffer)
            if got == 0:
                raise SystemExit("The server broke off.")
            if left is None:
                head = bytes(self._buffer[:got]).partition(b"\r\n\r\n")[0]
                if b" 200 " not in head[:20]:
                    raise SystemExit(f"The server answers {head[:60]!r}.")
                left, got = SIZE, got - len(head) - 4
            left -= got
        return time.perf_counter() - begun

    def close(self) -> None:
        self._socket.close()


@contextmanager
def running(command: list[str], port: int) -> Iterator[str]:
    """A server; gives the URL of the file."""
    with subprocess.Popen(command) as process:
        try:
            while process.poll() is None:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    time.sleep(0.01)
            yield f"http://127.0.0.1:{port}/file"
        finally:
            process.terminate()


@contextmanager
def bare(path: Path) -> Iterator[str]:
    port = free_port()
    with running([sys.executable, "-m", "benchmarks.file_server", str(port), str(path)], port) as url:
        yield url


@contextmanager
def nginx(path: Path) -> Iterator[str]:
    port = free_port()
    (path.parent / "nginx.conf").write_text(NGINX.format(folder=path.parent, port=port))
    with running(["nginx", "-p", str(path.parent), "-c", str(path.parent / "nginx.conf")], port) as url:
        yield url


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def read_s(path: Path) -> float:
    """How long it takes to read the file and do nothing with it."""
    begun, buffer = time.perf_counter(), bytearray(2**18)
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return time.perf_counter() - begun


def upload(url: str, data: bytes) -> str:
    answer = httpx.post(f"{url}/v1/artifacts", content=data, headers={"content-type": "image/png"}, timeout=60)
    return str(answer.raise_for_status().json()["url"])


def report() -> str:
    """A Markdown table."""
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(dir=Path.cwd())))
        data = a_picture(SIZE)
        (folder / "file").write_bytes(data)
        service = held.enter_context(serving(folder / "models", SETTINGS))
        begun = time.perf_counter()
        urls = {"the gateway": upload(service.url, data)}
        uploaded_s = time.perf_counter() - begun
        urls["aiohttp, sendfile"] = held.enter_context(bare(folder / "file"))
        if shutil.which("nginx"):
            urls["nginx"] = held.enter_context(nginx(folder / "file"))
        clients = {name: Client(url) for name, url in urls.items()}
        before = service.resident_bytes
        times: dict[str, list[float]] = {name: [] for name in clients}
        for _ in range(ROUNDS):
            for name, client in clients.items():
                times[name].append(client.seconds())
        grown = (psutil.Process(service.pid).memory_info().rss - before) / MB
        reading = statistics.median(read_s(folder / "file") for _ in range(ROUNDS))
        for client in clients.values():
            client.close()
    rates = {name: SIZE / MB / statistics.median(took) for name, took in times.items()}
    best = max(rate for name, rate in rates.items() if name != "the gateway")
    rows = [f"| {name} | {rate:,.0f} MB/s |" for name, rate in rates.items()]
    return "\n".join(
        [
            f"| a download of {SIZE // MB} MB on loopback | measured |",
            "|---|---|",
            *rows,
            f"| reading the file in Python, no network | {SIZE / MB / reading:,.0f} MB/s |",
            f"| the gateway, of the fastest server | {rates['the gateway'] / best:.0%} (goal: {GOAL:.0%}) |",
            f"| memory that the gateway took for it | {grown:.0f} MB |",
            f"| an upload of the same, checked and synced | {SIZE / MB / uploaded_s:,.0f} MB/s |",
        ]
    )


if __name__ == "__main__":
    print(report())
