"""A small client of the gateway's own API."""

import json
from collections.abc import Generator, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from ...domain.errors import GatewayError

CONNECT_S = 5.0


class Client:
    """Talks to a running service; its errors come as one sentence."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        timeout = httpx.Timeout(None, connect=CONNECT_S)  # a model may take as long as it takes
        self._http = httpx.Client(base_url=f"{self._url}/v1", timeout=timeout, trust_env=False)

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """What a GET answers.

        Raises:
            GatewayError: the service is not there, or refused.
        """
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return self._json("GET", path, params=given)

    def content(self, path: str, query: Mapping[str, Any] | None = None) -> bytes:
        """The bytes that a GET answers, as they are.

        Raises:
            GatewayError: the service is not there, or refused.
        """
        return self._answer("GET", path, params=query or {}).content

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What a POST answers.

        Raises:
            GatewayError: the service is not there, or refused.
        """
        return self._json("POST", path, json=body or {})

    def events(self, path: str, body: Mapping[str, Any]) -> Generator[tuple[str, dict[str, Any]]]:
        """The server-sent events that a POST answers, as name and data. Closing the iterator cancels the work.

        Raises:
            GatewayError: the service is not there, or refused, or failed on the way.
        """
        try:
            with self._http.stream("POST", path, json=body) as response:
                if response.is_error:
                    response.read()
                    raise _refusal(response)
                yield from _parse(response.iter_lines())
        except httpx.TransportError as error:
            raise self._unreachable() from error

    def _json(self, method: str, path: str, **request: Any) -> Any:
        return self._answer(method, path, **request).json()

    def _answer(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **request)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self._unreachable() from error
        if response.is_error:
            raise _refusal(response)
        return response

    def _unreachable(self) -> GatewayError:
        return GatewayError(detail=f"No service answers on {self._url}. Start one with: pluggably serve")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()


def _parse(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            data = json.loads(line.removeprefix("data: "))
            if name == "error":
                raise GatewayError(detail=data.get("detail", "The generation failed."))
            yield name, data


def _refusal(response: httpx.Response) -> GatewayError:
    try:
        return GatewayError(detail=response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return GatewayError(detail=f"What runs there is not this service: it answered {response.status_code}.")
