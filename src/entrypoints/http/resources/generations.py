"""`/v1/generations/text`, `/image` and `/3d`: one envelope for all modalities, and the parameters of each."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import msgspec
from attrs import evolve, field, frozen
from falcon.asgi import Response

from ....application.command import GenerateCommand
from ....application.generate import Generate
from ....application.jobs import Jobs
from ....domain.generation import Role, text_message
from ....domain.model import Modality
from ....domain.parameters import Field, ImageParameters, Model3DParameters, Parameters, TextParameters
from .. import sse
from ..body import idempotency_key, principal_of, read_body
from ..entity_tags import expected_version
from ..exchange import Request
from ..preferences import wait_preferred
from ..rendering import generation_object
from .content import InputMessage
from .jobs import follow_job, show

_encode = msgspec.json.Encoder().encode


@frozen(kw_only=True)
class Envelope:
    """What every request for a generation may say, whatever is to be made."""

    modality: ClassVar[Modality]

    input: Annotated[
        str | tuple[InputMessage, ...],
        Field("What the user says, or a conversation.", examples=("Name three colours.",)),
    ]
    model: Annotated[str | None, Field("A catalog id, an alias, or `provider/model`.", max_length=512)] = None
    session_id: Annotated[str | None, Field("Makes this a turn of that session.", max_length=128)] = None
    state_token: Annotated[
        str | None,
        Field(
            "Goes on from the state after the turn that it was given with; `auto`: from the session's newest state, or "
            "from its history where that cannot be had.",
            max_length=256,
        ),
    ] = None
    stream: Annotated[bool, Field("Answer as server-sent events.")] = False
    background: Annotated[
        bool, Field("Go on when the client leaves: answer at once, to be looked at or followed by its id.")
    ] = False
    delivery: Annotated[
        Literal["auto", "inline", "url"],
        Field("Files in the answer as base64, or by a signed URL; `auto`: small ones in the answer."),
    ] = "auto"
    metadata: Annotated[Mapping[str, str], Field("Given back, and stored with the turn.", max_length=16)] = field(
        factory=dict
    )

    def command(self, parameters: Parameters, version: int | None) -> GenerateCommand:
        """What is asked of the use case."""
        return GenerateCommand(
            modality=self.modality,
            messages=(text_message(Role.USER, self.input),)
            if isinstance(self.input, str)
            else tuple(it.message() for it in self.input),
            parameters=parameters,
            model=self.model,
            stream=self.stream,
            delivery=self.delivery,
            session_id=self.session_id,
            session_version=version,
            state_token=self.state_token,
            metadata=self.metadata,
        )


@frozen(kw_only=True)
class TextGeneration(Envelope):
    """A request for text."""

    modality = Modality.TEXT
    parameters: TextParameters = field(factory=TextParameters)


@frozen(kw_only=True)
class ImageGeneration(Envelope):
    """A request for pictures."""

    modality = Modality.IMAGE
    parameters: ImageParameters = field(factory=ImageParameters)


@frozen(kw_only=True)
class Model3DGeneration(Envelope):
    """A request for a 3D model."""

    modality = Modality.MODEL_3D
    parameters: Model3DParameters = field(factory=Model3DParameters)


@frozen
class Generations:
    """The resource of one modality; `wanted` is what its requests may say."""

    generate: Generate
    jobs: Jobs
    wanted: type[TextGeneration] | type[ImageGeneration] | type[Model3DGeneration]

    async def on_post(self, req: Request, resp: Response) -> None:
        """Generate."""
        wanted = read_body(req, self.wanted)
        command = wanted.command(wanted.parameters, expected_version(req))
        command = evolve(command, idempotency=idempotency_key(req))
        exchange = req.exchange
        if wanted.background:
            await self._in_background(req, resp, command)
            return
        begin = self.generate.begin(command, principal_of(req), exchange.request_id)
        if command.stream:
            await sse.respond(resp, exchange, begin, sse.NativeEvents(exchange, req.path))
            return
        async with begin as running:
            resp.data = _encode(generation_object(await running.result(), req.prefix))
        resp.content_type = "application/json"

    async def _in_background(self, req: Request, resp: Response, command: GenerateCommand) -> None:
        view = await self.jobs.submit(command, principal_of(req), req.exchange.request_id)
        if command.stream:
            await follow_job(req, resp, self.jobs, view.job.id)
            return
        if wait_s := wait_preferred(req):
            view = await self.jobs.get(view.job.id, principal_of(req), wait_s=wait_s)
        show(req, resp, view, wait_s, new=True)
