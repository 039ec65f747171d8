"""Text from a parrot server, which answers with the words of the last message.

Speaks the squawk API: `POST /squawk` with `{"parrot", "text", "words"?}` is answered with a line of JSON for each word,
`{"word"}`, and a last one, `{"end": "stop" | "length", "heard", "said"}`, both counted in words. A parrot honours no
parameter but `max_tokens`, hears only the last message, and keeps no state.
"""

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import httpx
from attrs import frozen

from pluggably.domain.errors import (
    GatewayError,
    ProviderAuthFailed,
    ProviderBadResponse,
    ProviderError,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderUnavailable,
    ProviderUnreachable,
    StateTokenRefused,
    StreamInterrupted,
)
from pluggably.domain.generation import (
    BackendState,
    Completed,
    FinishReason,
    GenerationEvent,
    GenerationRequest,
    Started,
    TextDelta,
    TextPart,
    Usage,
)
from pluggably.domain.model import Modality, Model
from pluggably.domain.parameters import TextParameters, given

BY_STATUS: dict[int, type[GatewayError]] = {
    401: ProviderAuthFailed,
    429: ProviderRateLimited,
    503: ProviderUnavailable,
}


@frozen(kw_only=True)
class End:
    """The last line of an answer; `heard` and `said` are words."""

    finish_reason: FinishReason
    heard: int
    said: int


class ParrotProvider:
    """One parrot server: a `Generator`, and the `ModelSource` of its parrots."""

    def __init__(
        self, *, name: str, base_url: str, api_key: str | None, models: Sequence[str], silence_s: float = 30
    ) -> None:
        """The first four come from the `[[providers]]` table, all others from its `options`.

        Args:
            name: what the provider is called here.
            base_url: where its API begins.
            api_key: what the variable that `api_key_env` names holds.
            models: the parrots.
            silence_s: how long one may be silent.
        """
        self._name = name
        self._models = {it.id: it for it in (self._model(parrot) for parrot in models)}
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(silence_s),
            trust_env=False,  # no proxy of the environment may learn the key
        )

    async def models(self) -> Sequence[Model]:
        """The parrots that the configuration names."""
        return list(self._models.values())

    def match(self, model_id: str) -> Model | None:
        """None but those that are listed."""
        return self._models.get(model_id)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Ask the parrot. Leaving the `async with` is what stops it when the client goes away."""
        if request.state:
            raise StateTokenRefused(detail="Parrots keep no states.")
        yield Started()
        words: list[str] = []
        try:
            async with self._http.stream("POST", "/squawk", json=to_wire(request)) as answer:
                if answer.is_error:
                    raise to_error(answer, self._name)
                async for line in answer.aiter_lines():
                    said = read(line, self._name)
                    if isinstance(said, End):
                        yield completed(words, said)
                        return
                    words.append(said)
                    yield TextDelta(said)
        except httpx.TransportError as error:
            raise lost(error, self._name, begun=bool(words)) from error
        kind = StreamInterrupted if words else ProviderBadResponse  # only the latter is tried again
        raise kind(detail=f"Provider {self._name!r} ended its answer too early.")

    async def forget(self, state: BackendState) -> None:
        """Nothing to do: parrots keep no states."""

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    def _model(self, parrot: str) -> Model:
        return Model(
            id=f"{self._name}/{parrot}",
            name=parrot,
            modality=Modality.TEXT,
            provider=self._name,
            upstream=parrot,
            origin="provider",
            parameters=frozenset({"max_tokens"}),  # requests with any other one are refused before they come here
        )


def to_wire(request: GenerationRequest) -> dict[str, Any]:
    """The body of a request."""
    limit = given(request.parameters_as(TextParameters)).get("max_tokens")
    body = {"parrot": request.model.upstream, "text": request.messages[-1].text}
    return body if limit is None else {**body, "words": limit}


def read(line: str, provider: str) -> str | End:
    """One line of an answer: a word, or the end.

    Raises:
        ProviderBadResponse: it is neither.
    """
    try:
        said = json.loads(line)
        if "end" in said:
            return End(finish_reason=FinishReason(said["end"]), heard=int(said["heard"]), said=int(said["said"]))
        return str(said["word"])
    except (ValueError, KeyError, TypeError) as error:
        raise ProviderBadResponse(detail=f"Provider {provider!r} answered with something else than words.") from error


def completed(words: Sequence[str], end: End) -> Completed:
    """The whole: its output is what the deltas add up to."""
    return Completed(
        output=(TextPart("".join(words)),),
        finish_reason=end.finish_reason,
        usage=Usage(input_tokens=end.heard, output_tokens=end.said),
    )


def to_error(answer: httpx.Response, provider: str) -> GatewayError:
    """The error for a status. What the server says of it is not handed on: it may hold a key or a prompt."""
    kind = BY_STATUS.get(answer.status_code, ProviderError)
    wait_s = answer.headers.get("retry-after", "")
    return kind(
        detail=f"Provider {provider!r} answered with status {answer.status_code}.",
        retry_after_s=float(wait_s) if wait_s.isdigit() else None,
    )


def lost(error: httpx.TransportError, provider: str, *, begun: bool) -> GatewayError:
    """The error for a connection that failed; after the first word, nothing can be tried again."""
    if begun:
        return StreamInterrupted(detail=f"Provider {provider!r} broke off.")
    if isinstance(error, httpx.ConnectError):
        return ProviderUnreachable(detail=f"Provider {provider!r} cannot be connected to.")
    if isinstance(error, httpx.TimeoutException):
        return ProviderTimeout(detail=f"Provider {provider!r} did not answer in time.")
    return ProviderBadResponse(detail=f"Provider {provider!r} closed the connection without an answer.")
