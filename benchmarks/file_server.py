"""A bare file server, to compare with: aiohttp's, which has the kernel send the file.

`python -m benchmarks.file_server <port> <file>` serves one file under every path.
"""

import sys

import uvloop
from aiohttp import web


def main(port: int, path: str) -> None:
    async def answer(_: web.Request) -> web.FileResponse:
        return web.FileResponse(path, chunk_size=2**18)

    app = web.Application()
    app.router.add_get("/{anything:.*}", answer)
    uvloop.install()
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
