"""What a replica sends, as the events of a request on this machine."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

from attrs import evolve

from ....domain.errors import StreamInterrupted
from ....domain.generation import Completed, GenerationEvent, GenerationRequest
from ..wire import Ended, Produced, to_error
from .calls import Handle
from .frames import Made, frame_in


async def events_in(response: Handle, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
    """Yield the events; files that come with them are put into the request's workspace.

    Raises:
        GatewayError: what the engine says.
        StreamInterrupted: the frames ended without saying so.
        Exception: what Ray or Serve say.
    """
    async for item in response:
        if isinstance(item, Made):
            await asyncio.to_thread(_placed(item.name, request).write_bytes, item.data)
            continue
        match frame_in(item):
            case Produced(_, Completed() as event):
                files = tuple(evolve(it, path=str(_placed(it.path, request))) for it in event.files)
                yield evolve(event, files=files)
            case Produced(_, event):
                yield event
            case Ended(_, failure):
                if failure:
                    raise to_error(failure)
                return
    raise StreamInterrupted


def cancel(response: Handle) -> None:
    """Have the replica stop; a response that has failed says so once more, and that is all."""
    with suppress(Exception):
        response.cancel()


def _placed(name: str, request: GenerationRequest) -> Path:
    """Where a file goes that a replica names: into the workspace, whatever the name says."""
    return Path(request.workspace or "") / Path(name).name
