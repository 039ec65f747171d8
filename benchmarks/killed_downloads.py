"""`kill -9` of the running service at random moments of a large download: what it costs, and whether the file is right.

`python -m benchmarks.killed_downloads [kills] [megabytes]` prints what happened; 20 kills of a gigabyte as a default.
"""

import asyncio
import os
import random
import sys
import tempfile
import time
from hashlib import file_digest, sha256
from pathlib import Path

import httpx

from tests.file_server import Served, serving
from tests.integration.service import Service

MIB = 2**20
STREAMS = 4
PAUSE_S = 0.002
"""So that the service keeps up with the server: what is in sockets, received by nobody, would count as fetched."""
WORKING = ("queued", "running", "verifying")


async def status_of(service: Service, job_id: str) -> dict:
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(f"{service.url}/v1/downloads/{job_id}")).json()


async def killed(folder: Path, kills: int, size: int) -> None:
    content = b"GGUF" + os.urandom(size - 4)
    draw = random.Random(time.time_ns())
    async with serving(model__gguf=Served(content, pause_s=PAUSE_S)) as server:
        settings = f'[downloads]\nprivate_origins = ["{server.origin}"]\nstreams = {STREAMS}\nmin_free_bytes = 0\n'
        service = Service(folder, folder / "models", settings)
        await asyncio.to_thread(service.start)
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            body = {"source": f"{server.origin}/model.gguf", "sha256": {"model.gguf": sha256(content).hexdigest()}}
            job = (await http.post(f"{service.url}/v1/downloads", json=body)).json()
        for number in range(kills):
            goal = server.sent_bytes + draw.randrange(1, max(2, (size - server.sent_bytes) // (kills - number)))
            while server.sent_bytes < goal:  # noqa: ASYNC110 - a counter
                await asyncio.sleep(0.002)
            await asyncio.to_thread(service.kill)
            found = list((folder / "models").glob("*/*.gguf"))
            if found:
                raise SystemExit("A file that is not whole has a model's name.")
            await asyncio.to_thread(service.start)
        while (now := await status_of(service, job["id"]))["status"] in WORKING:  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.1)
        await asyncio.to_thread(service.stop)
        twice = server.sent_bytes - size
    with (folder / "models/model/model.gguf").open("rb") as file:
        right = file_digest(file, "sha256").hexdigest() == sha256(content).hexdigest()
    print(f"{size / 10**6:,.0f} MB, {STREAMS} streams, {kills} kills: {now['status']}, the content is right: {right}.")
    print(
        f"The server sent {twice / MIB:.1f} MiB more than the file has: {twice / MIB / max(kills, 1):.2f} MiB a kill."
    )


def main() -> None:
    kills, size = (int(it) for it in (*sys.argv[1:3], *("20", "1000")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as folder:
        asyncio.run(killed(Path(folder), kills, size * 10**6))


if __name__ == "__main__":
    main()
