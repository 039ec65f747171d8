"""A proxy of Falcon, uvicorn and aiohttp that does nothing else: `python bare_proxy.py PORT UPSTREAM`.

It was measured among the peers too, on their machine: so it says how that one compares with this one.
"""

import sys

import aiohttp
import uvicorn
from falcon.asgi import App, Request, Response


class Completions:
    """The one route; streams are passed on as they come."""

    def __init__(self, upstream: str) -> None:
        self.url = f"{upstream}/chat/completions"

    async def process_startup(self, *_: object) -> None:
        self.client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1024))

    async def process_shutdown(self, *_: object) -> None:
        await self.client.close()

    async def on_post(self, req: Request, resp: Response) -> None:
        body = await req.stream.read()
        answer = await self.client.post(self.url, data=body, headers={"Content-Type": "application/json"})
        resp.content_type = answer.content_type
        if answer.content_type == "text/event-stream":
            resp.stream = answer.content.iter_any()
        else:
            resp.data = await answer.read()


def main(port: str, upstream: str) -> None:
    completions = Completions(upstream)
    app = App(middleware=[completions])
    app.add_route("/v1/chat/completions", completions)
    options = {"loop": "uvloop", "http": "httptools", "access_log": False, "log_level": "warning"}
    uvicorn.run(app, host="127.0.0.1", port=int(port), lifespan="on", **options)


if __name__ == "__main__":
    main(*sys.argv[1:])
