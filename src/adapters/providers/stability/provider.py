"""Stability AI: pictures (`core`, `ultra`, Stable Diffusion 3.5) and meshes from a picture, by its REST API v2beta.

https://platform.stability.ai/docs/api-reference, as of November 2026. Each request is one form and one answer, which is
the file itself: it is written to disk as it comes. There is no progress; a connection that is closed ends the request,
and what Stability does then it does not say.

Not passed on: style presets, texture resolution, foreground ratio, remeshing, editing (inpainting, upscaling, control),
and the counting of credits. Meshes are made from the picture alone: words beside it, such as "make it a model", are not
passed on.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from ....domain.artifact import PICTURES
from ....domain.errors import StateTokenRefused
from ....domain.generation import (
    BackendState,
    Completed,
    FinishReason,
    GenerationEvent,
    GenerationRequest,
    OutputFile,
    Started,
)
from ....domain.model import Modality, Model
from ....domain.parameters import ImageParameters
from ...workspace import in_thread
from ..estimates import estimated
from ..media_request import folder_of, picture_of
from ..meshes.files import MESH_LIMIT_BYTES, mesh_in
from ..model_names import fits
from ..named_models import NamedModels
from ..pictures.files import PICTURE_LIMIT_BYTES, picture_in
from ..transport.bearer import bearer
from ..transport.form import Form, FormFile
from ..transport.statuses import expect_success
from ..transport.upstream import Limits, Upstream
from .kinds import KINDS
from .wire import expect_unfiltered, mesh_fields, picture_fields, seed_of, to_error


class StabilityProvider:
    """Stability AI: a `Generator`, and the `ModelSource` of what may be asked of it."""

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        api_key: str | None,
        models: Sequence[str],
        connect_timeout_s: float = 5,
        answer_timeout_s: float = 180,
        max_connections: int = 256,
    ) -> None:
        """Nothing is connected to before it is asked for.

        Args:
            name: what it is called here.
            base_url: `https://api.stability.ai`.
            api_key: sent as a bearer token.
            models: names, or patterns (`sd3.5-*`); all that there are and that fit are listed.
            connect_timeout_s: for a connection.
            answer_timeout_s: for the whole file.
            max_connections: all that are open at once, for pictures and for meshes each.
        """
        self._name = name
        named = NamedModels(provider=name, entries=tuple(models), describe=self._model)
        self._listed = {**named.listed, **{it.id: it for it in map(self._known, KINDS) if fits(it.name, models)}}
        limits = Limits(
            connect_s=connect_timeout_s,
            first_byte_s=answer_timeout_s,
            idle_s=answer_timeout_s,
            connections=max_connections,
        )
        self._upstreams = {  # for pictures, `*/*` is not among the answers that can be asked for
            modality: Upstream(
                provider=name, base_url=base_url, headers={"Accept": accept, **bearer(api_key)}, limits=limits
            )
            for modality, accept in ((Modality.IMAGE, "image/*"), (Modality.MODEL_3D, "*/*"))
        }

    async def models(self) -> Sequence[Model]:
        """All that there are, as far as the configuration allows them."""
        return list(self._listed.values())

    def match(self, model_id: str) -> Model | None:
        """The model with that id, if it is listed."""
        return self._listed.get(model_id)

    def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Ask for one file."""
        if request.state:
            raise StateTokenRefused(detail="This provider keeps no states.")
        return self._generated(request)

    async def forget(self, state: BackendState) -> None:
        """Nothing to do: it keeps no states."""

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(*(upstream.close() for upstream in self._upstreams.values()))

    async def _generated(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        upstream, path = self._upstreams[request.modality], folder_of(request) / "0"
        form = await in_thread(_form, request)
        yield Started()
        reply = await upstream.post(upstream.at(KINDS[request.model.upstream].path), form)
        try:
            await expect_success(reply, upstream.limits.idle_s, to_error)
            expect_unfiltered(reply.headers, self._name)
            limit_bytes = PICTURE_LIMIT_BYTES if request.modality is Modality.IMAGE else MESH_LIMIT_BYTES
            await reply.save(path, limit_bytes=limit_bytes, timeout_s=upstream.limits.first_byte_s)
        finally:
            await reply.close()
        yield Completed(
            output=(),
            finish_reason=FinishReason.STOP,
            usage=estimated(request, ()),
            seed=seed_of(reply.headers, request.parameters.seed),
            files=(await in_thread(_judged, request, path),),
        )

    def _model(self, name: str) -> Model | None:
        return self._known(name) if name in KINDS else None

    def _known(self, name: str) -> Model:
        kind = KINDS[name]
        return Model(
            id=f"{self._name}/{name}",
            name=name,
            modality=kind.modality,
            provider=self._name,
            upstream=name,
            origin="provider",
            parameters=kind.parameters,
            capabilities=kind.capabilities,
        )


def _form(request: GenerationRequest) -> Form:
    is_picture = request.modality is Modality.IMAGE
    fields = picture_fields(request, KINDS[request.model.upstream]) if is_picture else mesh_fields(request)
    picture = picture_of(request)
    return Form(
        fields,
        [
            FormFile(
                field="image",
                path=Path(picture.path),
                filename=f"0.{PICTURES[picture.media_type]}",
                media_type=picture.media_type,
            )
        ]
        if picture
        else [],
    )


def _judged(request: GenerationRequest, path: Path) -> OutputFile:
    if request.modality is not Modality.IMAGE:
        return mesh_in(path, "glb", request.model.provider)
    return picture_in(path, request.parameters_as(ImageParameters).format or "png", request.model.provider)
