"""A generator of pictures and meshes without a model: every prompt has a colour. For tests, and to develop against.

What it writes are real files, made with the standard library: PNG (https://www.w3.org/TR/png-3) in one colour, and a
tetrahedron in that colour as binary glTF 2.0 (https://registry.khronos.org/glTF/specs/2.0).
"""

import asyncio
import json
import struct
import zlib
from collections.abc import AsyncGenerator, Mapping
from hashlib import sha256
from pathlib import Path

from attrs import define, field

from ...domain.errors import GatewayError, InvalidRequest, StateTokenRefused
from ...domain.generation import (
    BackendState,
    Completed,
    FinishReason,
    GenerationEvent,
    GenerationRequest,
    OutputFile,
    Progress,
    Started,
    Usage,
)
from ...domain.parameters import ImageParameters, Model3DParameters

Colour = tuple[int, int, int]

SIDE = 8
"""Width and height of a picture, in pixels, if the request does not say."""

_CORNERS = ((0.0, 1.0, 0.0), (0.9, -0.5, 0.0), (-0.5, -0.5, 0.8), (-0.5, -0.5, -0.8))
_FACES = ((0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3))


@define(kw_only=True)
class ScriptedMediaGenerator:
    """Takes `steps` steps for each request, unless it asks for another number, and then writes its files.

    The colour depends on the prompt and the seed. A preview is as large as a pixel. The formats are PNG and GLB. With
    `remembers` it gives a state after each, and goes on from those that it gave; `states` are the values of those. With
    `failure` it raises that, after `fails_after` steps. With `gate` it waits for that event before every step.
    `requests` has what it was asked, `running` those at work, and `closed` says whether it was closed.
    """

    steps: int = 4
    remembers: bool = False
    failure: GatewayError | None = None
    fails_after: int = 0
    gate: asyncio.Event | None = None
    requests: list[GenerationRequest] = field(init=False, factory=list)
    running: int = field(init=False, default=0)
    closed: bool = field(init=False, default=False)
    states: set[str] = field(init=False, factory=set)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Count the steps, then write what was asked for into the request's workspace."""
        self.requests.append(request)
        if request.state and request.state.value not in self.states:
            raise StateTokenRefused(detail="The scripted generator does not remember that state.")
        if request.workspace is None:
            raise GatewayError(detail=f"A request for {request.modality} has no workspace.")
        self.running += 1
        try:
            yield Started()
            parameters = _parameters(request)
            steps = parameters.steps or self.steps
            every = parameters.preview_every if isinstance(parameters, ImageParameters) else None
            for step in range(1, steps + 1):
                await self._may_go_on(step - 1)
                preview = png(_colour(request), 1, 1) if every and step % every == 0 else None
                yield Progress(step, steps, 0.0, preview)
            await self._may_go_on(steps)
            yield self._completed(request, _written(request, Path(request.workspace)))
        finally:
            self.running -= 1

    async def forget(self, state: BackendState) -> None:
        """Go on from it no more; raises `failure`, if there is one."""
        if self.failure is not None:
            raise self.failure
        self.states.discard(state.value)

    async def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    async def _may_go_on(self, done: int) -> None:
        if self.failure is not None and done >= self.fails_after:
            raise self.failure
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(0)

    def _completed(self, request: GenerationRequest, files: tuple[OutputFile, ...]) -> Completed:
        state = None
        if self.remembers:
            self.states.add(request.id)
            state = BackendState(kind="scripted.media", value=request.id)
        return Completed(
            output=(),
            finish_reason=FinishReason.STOP,
            usage=Usage(input_tokens=len(_prompt(request).split()), source="runner"),
            seed=_parameters(request).seed or 0,
            state=state,
            files=files,
        )


def png(colour: Colour, width: int, height: int) -> bytes:
    """A picture in one colour."""
    row = b"\0" + bytes(colour) * width
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # eight bits a channel, RGB
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(row * height)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def glb(colour: Colour) -> bytes:
    """A tetrahedron in one colour."""
    positions = b"".join(struct.pack("<3f", *corner) for corner in _CORNERS)
    indices = b"".join(struct.pack("<3H", *face) for face in _FACES)
    low, high = _bounds()
    tree = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"baseColorFactor": [*(it / 255 for it in colour), 1.0]}}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3", "min": low, "max": high},
            {"bufferView": 1, "componentType": 5123, "count": 12, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteLength": len(positions)},
            {"buffer": 0, "byteOffset": len(positions), "byteLength": len(indices)},
        ],
        "buffers": [{"byteLength": len(positions) + len(indices)}],
    }
    chunks = ((b"JSON", json.dumps(tree).encode(), b" "), (b"BIN\0", positions + indices, b"\0"))
    body = b"".join(_chunk(*chunk) for chunk in chunks)
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body


def _chunk(kind: bytes, body: bytes, filling: bytes) -> bytes:
    body += filling * (-len(body) % 4)
    return struct.pack("<I", len(body)) + kind + body


def _bounds() -> tuple[list[float], list[float]]:
    """As they are in the file: numbers of 32 bits."""
    axes = [struct.unpack("<4f", struct.pack("<4f", *axis)) for axis in zip(*_CORNERS, strict=True)]
    return [min(axis) for axis in axes], [max(axis) for axis in axes]


def _written(request: GenerationRequest, workspace: Path) -> tuple[OutputFile, ...]:
    parameters, colour = _parameters(request), _colour(request)
    if isinstance(parameters, Model3DParameters):
        facts = {"vertices": len(_CORNERS), "faces": len(_FACES), "bounds": list(_bounds())}
        return (_file(workspace / "0.glb", glb(colour), "model/gltf-binary", facts),)
    size = {"width": parameters.width or SIDE, "height": parameters.height or SIDE}
    return tuple(
        _file(workspace / f"{number}.png", png(colour, **size), "image/png", size)
        for number in range(parameters.n or 1)
    )


def _file(path: Path, content: bytes, media_type: str, facts: Mapping[str, object]) -> OutputFile:
    path.write_bytes(content)
    return OutputFile(path=str(path), media_type=media_type, facts=facts)


def _parameters(request: GenerationRequest) -> ImageParameters | Model3DParameters:
    parameters = request.parameters
    if not isinstance(parameters, ImageParameters | Model3DParameters):
        raise InvalidRequest.at("/modality", "the scripted generator makes pictures and meshes only", ("image", "3d"))
    if parameters.format not in (None, "png", "glb"):
        raise InvalidRequest.at("/parameters/format", "the scripted generator does not write it", ("png", "glb"))
    return parameters


def _colour(request: GenerationRequest) -> Colour:
    red, green, blue, *_ = sha256(f"{_prompt(request)} {_parameters(request).seed or 0}".encode()).digest()
    return red, green, blue


def _prompt(request: GenerationRequest) -> str:
    return request.messages[-1].text if request.messages else ""
