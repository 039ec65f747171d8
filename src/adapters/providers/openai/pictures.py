"""The pictures of an answer, out of its body or its events and into files. All of it blocks: for threads.

A body is mapped and not read: what is held of it in memory is what is just being decoded.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import define, field, frozen

from ....domain.errors import StreamInterrupted
from ....domain.generation import GenerationRequest, Progress
from ....domain.parameters import ImageParameters
from ..media_request import prompt_of
from ..pictures.files import decoded_png, mapped, write_base64
from .chat_wire import DONE
from .images_wire import (
    PARTIAL,
    STEPS,
    WHOLE,
    WirePicture,
    WireUsage,
    count_of,
    not_pictures,
    read_answer,
    read_event,
)

_LONGEST_PROMPT: Final = 32_000


@frozen(kw_only=True)
class Unpacked:
    """What a whole answer was: `urls` has, for the pictures that it only names, into which files they go."""

    urls: Mapping[Path, str]
    usage: WireUsage | None
    revised_prompt: str


def unpacked(body: Path, folder: Path, request: GenerationRequest) -> Unpacked:
    """Write the pictures in an answer's body to the files `0`, `1` … of a folder, and remove the body.

    Raises:
        ProviderBadResponse: it is not as many pictures as were asked for.
        GatewayError: it is an error, or the disk has one.
    """
    provider = request.model.provider
    answer = read_answer(mapped(body), provider, count_of(request))
    urls = {}
    for number, picture in enumerate(answer.data or ()):
        path = folder / str(number)
        if picture.base64 is not None:
            write_base64(picture.base64, path, provider)
        elif picture.url:
            urls[path] = picture.url
        else:
            raise not_pictures(provider)
    return Unpacked(urls=urls, usage=answer.usage, revised_prompt=_revised(answer.data or (), request))


@define
class StreamedPictures:
    """Pictures that come as events: give it the data of each."""

    request: GenerationRequest
    folder: Path
    usage: WireUsage | None = field(init=False, default=None)
    _whole: int = field(init=False, default=0)
    _step: int = field(init=False, default=0)

    @property
    def done(self) -> bool:
        """Whether all are there."""
        return self._whole == count_of(self.request)

    def take(self, payload: bytes) -> Progress | None:
        """Write a whole picture; of a partial one, say how far the work is by it, if it has gone on.

        Raises:
            ProviderBadResponse: it is no such event, or what is in it is no picture.
            GatewayError: it is an error, or the disk has one.
        """
        if payload == DONE or self.done:
            return None
        provider = self.request.model.provider
        event = read_event(payload, provider)
        if not event.type.endswith((PARTIAL, WHOLE)):
            return None
        if event.base64 is None:
            raise not_pictures(provider)
        if event.type.endswith(PARTIAL):
            return self._progress(event.partial_image_index, event.base64)
        write_base64(event.base64, self.folder / str(self._whole), provider)
        self._whole, self.usage = self._whole + 1, event.usage
        return None

    def expect_done(self) -> None:
        """Go on only if all are there.

        Raises:
            StreamInterrupted: they are not.
        """
        if not self.done:
            raise StreamInterrupted(detail=f"Provider {self.request.model.provider!r} ended its stream too early.")

    def _progress(self, index: int, encoded: memoryview) -> Progress | None:
        """One comes after every so many steps. Where several pictures each count theirs, the first one's are shown."""
        step = (index + 1) * (self.request.parameters_as(ImageParameters).preview_every or 1)
        if not self._step < step < STEPS:
            return None
        self._step = step
        return Progress(step, STEPS, preview=decoded_png(encoded, self.request.model.provider))


def _revised(pictures: Sequence[WirePicture], request: GenerationRequest) -> str:
    """What the service drew instead of what was said; each such prompt once."""
    prompts = dict.fromkeys(it.revised_prompt for it in pictures if it.revised_prompt)
    prompts.pop(prompt_of(request), None)
    return "\n".join(prompts)[:_LONGEST_PROMPT]
