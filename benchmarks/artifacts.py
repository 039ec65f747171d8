"""Downloads of a large artifact by its signed URL, beside file servers that do nothing else.

`python -m benchmarks.artifacts` prints a table. All take turns, each `ROUNDS` times; one client reads as fast as it can
and looks at nothing. The measure is nginx where it is installed (`apt-get install nginx-light`), else aiohttp's own
file server. CPU is told too, as one client cannot ask more of a server than it can take in itself.
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
from getpass import getuser
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
from attrs import field, frozen

from tests.ports import free_port

from .instant_pictures import a_picture
from .overhead.processes import cpu_s
from .service import MB, serving

SIZE = 50 * MB
ROUNDS = 15
GOAL = 0.6
SETTINGS = f"[artifacts]\nupload_limit_bytes = {SIZE}\n"
NGINX = """
user {user}; daemon off; worker_processes 1; pid {folder}/pid; error_log stderr;
events {{}}
http {{ access_log off; sendfile on; server {{ listen 127.0.0.1:{port}; root {folder}; }} }}
"""


@frozen
class Server:
    """Something that gives the file out, and what each download took."""

    name: str
    url: str
    pid: int
    took_s: list[float] = field(init=False, factory=list)
    used_s: list[float] = field(init=False, factory=list)

    @property
    def rate(self) -> float:
        return SIZE / MB / statistics.median(self.took_s)

    @property
    def row(self) -> str:
        return f"| {self.name} | {self.rate:,.0f} MB/s | {1000 * statistics.median(self.used_s):.0f} ms |"


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
def running(name: str, command: list[str], port: int) -> Iterator[Server]:
    """A server, once it listens."""
    with subprocess.Popen(command) as process:
        try:
            while process.poll() is None:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    time.sleep(0.01)
            yield Server(name, f"http://127.0.0.1:{port}/file", process.pid)
        finally:
            process.terminate()


@contextmanager
def bare(path: Path) -> Iterator[Server]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.file_server", str(port), str(path)]
    with running("aiohttp, sendfile", command, port) as server:
        yield server


@contextmanager
def nginx(path: Path) -> Iterator[Server]:
    port = free_port()
    (path.parent / "nginx.conf").write_text(NGINX.format(folder=path.parent, port=port, user=getuser()))
    command = ["nginx", "-p", str(path.parent), "-c", str(path.parent / "nginx.conf")]
    with running("nginx, sendfile", command, port) as server:
        yield server


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


def download(server: Server, client: Client) -> None:
    used = cpu_s(server.pid)
    server.took_s.append(client.seconds())
    server.used_s.append(cpu_s(server.pid) - used)


def report() -> str:
    """A Markdown table."""
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(dir=Path.cwd())))
        data = a_picture(SIZE)
        (folder / "file").write_bytes(data)
        service = held.enter_context(serving(folder / "models", SETTINGS))
        begun = time.perf_counter()
        gateway = Server("the gateway", upload(service.url, data), service.pid)
        uploaded_s = time.perf_counter() - begun
        servers = [gateway, held.enter_context(bare(folder / "file"))]
        if shutil.which("nginx"):
            servers.append(held.enter_context(nginx(folder / "file")))
        clients = [Client(server.url) for server in servers]
        before = service.resident_bytes
        for _ in range(ROUNDS):
            for server, client in zip(servers, clients, strict=True):
                download(server, client)
        grown = (psutil.Process(service.pid).memory_info().rss - before) / MB
        reading = statistics.median(read_s(folder / "file") for _ in range(ROUNDS))
        for client in clients:
            client.close()
    measure = servers[-1]
    share, whose = gateway.rate / measure.rate, measure.name.partition(",")[0]
    return "\n".join(
        [
            f"| a download of {SIZE // MB} MB on loopback | measured | CPU of the server |",
            "|---|---|---|",
            *(server.row for server in servers),
            f"| reading the file in Python, no network | {SIZE / MB / reading:,.0f} MB/s | |",
            f"| the gateway, of {whose} | {share:.0%} (goal: {GOAL:.0%}) | |",
            f"| memory that the gateway took for it | {grown:.0f} MB | |",
            f"| an upload of the same, checked and synced | {SIZE / MB / uploaded_s:,.0f} MB/s | |",
        ]
    )


if __name__ == "__main__":
    print(report())
