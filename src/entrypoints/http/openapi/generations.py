"""Generations of every modality, as they are documented."""

from typing import Any, Final

from ....domain.errors import Interrupted, NotFound
from ..body import Nothing
from ..resources.generations import ImageGeneration, Model3DGeneration, TextGeneration
from . import headers
from .failures import GENERATING, STORED
from .generation_answers import EVENTS, GenerationShown
from .operation import Answer, Area, Body, Operation

_DESCRIPTION = """
Without `stream` and `background` the answer is the finished generation. With `stream` it is a stream of events. With
`background` the request is queued and goes on when the client leaves: 202 and where to look.
"""


def _generation(modality: str, id_: str, summary: str, wanted: type, examples: dict[str, Any]) -> Operation:
    return Operation(
        method="POST",
        path=f"/v1/generations/{modality}",
        id=id_,
        summary=summary,
        description=_DESCRIPTION.strip(),
        headers=(headers.IF_MATCH_SESSION, headers.IDEMPOTENCY_KEY, headers.PREFER),
        body=Body(json=wanted, examples=examples),
        answers={
            200: Answer(
                description="The finished generation, or with `stream` its events.",
                json=GenerationShown,
                events=EVENTS,
                headers=(headers.LOCATION, headers.PREFERENCE_APPLIED),
            ),
            202: Answer(
                description="With `background`: the generation as it is.",
                json=GenerationShown,
                headers=(headers.LOCATION, headers.RETRY_AFTER, headers.PREFERENCE_APPLIED),
            ),
        },
        errors=(*GENERATING, NotFound),
    )


_TEXT: dict[str, Any] = {
    "a question": {"input": "Name three colours.", "parameters": {"max_tokens": 40, "temperature": 0.7}},
    "a conversation": {
        "input": [
            {"role": "system", "content": "Answer in one word."},
            {"role": "user", "content": [{"type": "text", "text": "What is the capital of France?"}]},
        ],
        "stream": True,
    },
    "a turn of a session": {"input": "And of Italy?", "session_id": "ses_0199b1", "metadata": {"trace": "a1"}},
}
_IMAGE: dict[str, Any] = {
    "a picture": {"input": "a red circle", "parameters": {"width": 512, "height": 512, "seed": 42}},
    "in the background": {"input": "a blue square", "background": True, "delivery": "url"},
    "a picture that is changed": {
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "make it blue"},
                    {"type": "artifact", "artifact_id": "art_0199b1"},
                ],
            }
        ],
        "parameters": {"strength": 0.6},
    },
}
_MODEL_3D: dict[str, Any] = {
    "a mesh": {"input": "a cube", "parameters": {"format": "glb", "target_faces": 5000}},
    "of the session's picture": {"input": "make it 3D", "session_id": "ses_0199b1", "delivery": "url"},
}

GENERATIONS: Final = Area(
    "Generations",
    "Text, pictures and 3D models, from one envelope.",
    (
        _generation("text", "generateText", "Generate text", TextGeneration, _TEXT),
        _generation("image", "generateImage", "Generate pictures", ImageGeneration, _IMAGE),
        _generation("3d", "generate3d", "Generate a 3D model", Model3DGeneration, _MODEL_3D),
        Operation(
            method="GET",
            path="/v1/generations/{generation_id}",
            id="getGeneration",
            summary="Look at a generation in the background",
            query=Nothing,
            headers=(headers.PREFER,),
            answers={
                200: Answer(
                    description="The generation as it is.",
                    json=GenerationShown,
                    headers=(headers.RETRY_AFTER, headers.PREFERENCE_APPLIED),
                )
            },
            errors=(NotFound, *STORED),
        ),
        Operation(
            method="GET",
            path="/v1/generations/{generation_id}/events",
            id="followGeneration",
            summary="Follow a generation in the background",
            query=Nothing,
            headers=(headers.LAST_EVENT_ID,),
            answers={
                200: Answer(description="Its events; each has its number as `id`.", events=EVENTS),
                204: Answer(description="It has ended, and there is nothing behind that event."),
            },
            errors=(NotFound, Interrupted, *STORED),
        ),
        Operation(
            method="POST",
            path="/v1/generations/{generation_id}/cancel",
            id="cancelGeneration",
            summary="Stop a generation in the background",
            description="What has ended stays as it is.",
            body=Body(json=Nothing, required=False),
            answers={
                200: Answer(
                    description="The generation as it is.", json=GenerationShown, headers=(headers.RETRY_AFTER,)
                )
            },
            errors=(NotFound, *STORED),
        ),
    ),
)
