"""A small client of the gateway's own API."""

import json
import os
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from ...domain.errors import GatewayError, InsufficientScope, InvalidCredentials, ModelNotAllowed
from ..settings import CLIENT_KEY, load_settings, own_url
from .plain import plain

CONNECT_S = 5.0
PROBE_S = 2.0
_EXAMPLE = "http://127.0.0.1:8080"
_FAILURES = (httpx.RequestError, httpx.InvalidURL, UnicodeError)


def is_service(url: str) -> bool:
    """Whether what answers there is this service."""
    try:
        return _is_ours(httpx.get(f"{url}/health/live", timeout=PROBE_S, trust_env=False))
    except _FAILURES:
        return False


def client_at(url: str | None, config: Path | None = None) -> "Client":
    """A client of the service at `url` or, if that is None, of the one that the settings are of: the file
    `config`, else those here.

    Raises:
        SettingsError: they are wrong.
        GatewayError: as `Client` does.
    """
    return Client(url or own_url(load_settings(config, os.environ)))


class Client:
    """Talks to a running service, with the API key in `PLUGGABLY_API_KEY`; its errors come as one sentence."""

    def __init__(self, url: str) -> None:
        """Nothing is sent yet.

        Raises:
            GatewayError: that is no address, or what should be a key is none.
        """
        self._url, self._key = url.rstrip("/"), client_key()
        timeout = httpx.Timeout(None, connect=CONNECT_S)  # a model may take as long as it takes
        try:
            headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
            self._http = httpx.Client(base_url=f"{self._url}/v1", headers=headers, timeout=timeout, trust_env=False)
        except _FAILURES as error:
            raise self._failed(error) from error

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """What a GET answers.

        Raises:
            GatewayError: the service is not there, or refused.
        """
        return self._json("GET", path, params=_given(query or {}))

    def chunks(self, path: str, query: Mapping[str, Any]) -> Generator[bytes]:
        """The bytes that a GET answers, as they come.

        Raises:
            GatewayError: the service is not there, or refused, or broke off before the end.
        """
        with self._opened("GET", path, params=_given(query)) as response:
            yield from response.iter_bytes()

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What a POST answers.

        Raises:
            GatewayError: the service is not there, or refused.
        """
        return self._json("POST", path, json=body or {})

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """What a PATCH answers.

        Raises:
            GatewayError: the service is not there, or refused.
        """
        return self._json("PATCH", path, json=body)

    def delete(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """What a DELETE answers.

        Raises:
            GatewayError: the service is not there, or refused.
        """
        return self._json("DELETE", path, params=_given(query or {}))

    def events(self, path: str, body: Mapping[str, Any]) -> Generator[tuple[str, dict[str, Any]]]:
        """The server-sent events that a POST answers, as name and data. Closing the iterator cancels the work.

        Raises:
            GatewayError: the service is not there, or refused, or failed on the way, or broke off before `completed`.
        """
        name = ""
        with self._opened("POST", path, json=body) as response:
            for name, data in _parse(_lines(response.iter_bytes())):
                yield name, data
        if name != "completed":
            raise _broken_off()

    def changes(self, path: str) -> Generator[tuple[str, dict[str, Any]]]:
        """The server-sent events that a GET answers, as name and data: `progress`, and at the end another one.

        Raises:
            GatewayError: the service is not there, or refused, or failed on the way, or broke off before the end.
        """
        name = ""
        with self._opened("GET", path) as response:
            for name, data in _parse(_lines(response.iter_bytes())):
                yield name, data
        if name in ("", "progress"):
            raise _broken_off()

    @contextmanager
    def _opened(self, method: str, path: str, **request: Any) -> Iterator[httpx.Response]:
        """An answer that is read as it comes."""
        try:
            with self._http.stream(method, path, **request) as response:
                if not response.is_success or not _is_ours(response):
                    response.read()
                    raise self._refusal(response)
                yield response
        except _FAILURES as error:
            raise self._failed(error) from error

    def _json(self, method: str, path: str, **request: Any) -> Any:
        response = self._answer(method, path, **request)
        try:
            return response.json()
        except ValueError as error:
            raise _stranger(response) from error

    def _answer(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **request)
        except _FAILURES as error:
            raise self._failed(error) from error
        if not response.is_success or not _is_ours(response):
            raise self._refusal(response)
        return response

    def _refusal(self, response: httpx.Response) -> GatewayError:
        try:
            problem = response.json()
            detail, code = problem["detail"], problem.get("code")
        except (ValueError, KeyError, TypeError):
            return _stranger(response)
        if not isinstance(detail, str):
            return _stranger(response)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            return InvalidCredentials(detail=self._who_are_you())
        if code in (InsufficientScope.code, ModelNotAllowed.code):  # sources of models have a 403 of their own
            return InsufficientScope(detail=plain(detail))
        return GatewayError(detail=plain(detail))

    def _who_are_you(self) -> str:
        if self._key:
            return f"{self._url} does not take the key in {CLIENT_KEY}: it is another service's, was revoked, or ended."
        return f"{self._url} wants an API key. Put one into the environment variable {CLIENT_KEY}."

    def _failed(self, error: Exception) -> GatewayError:
        if isinstance(error, UnicodeError):
            return GatewayError(detail="What was given holds characters that cannot be sent: it is not UTF-8.")
        if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
            return GatewayError(detail=f"{plain(self._url)} is no address of a service. Give one like --url {_EXAMPLE}")
        if isinstance(error, httpx.ReadError | httpx.RemoteProtocolError | httpx.WriteError):
            return _broken_off()
        return GatewayError(
            detail=f"No service answers on {self._url}; --url names another one. Start one with: pluggably serve"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()


def client_key() -> str | None:
    """The API key that commands show.

    Raises:
        GatewayError: there is something that is none.
    """
    key = os.environ.get(CLIENT_KEY, "").strip()
    if key and not re.fullmatch(r"[!-~]+", key):
        raise GatewayError(detail=f"What {CLIENT_KEY} holds is no API key.")
    return key or None


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """Lines as the service ends them: other line ends, such as U+2028, are part of the text."""
    begun = b""
    for chunk in chunks:
        *ended, begun = (begun + chunk).split(b"\n")
        yield from (line.decode() for line in ended)


def _parse(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            data = _object(line.removeprefix("data: "))
            if name == "error":
                raise GatewayError(detail=plain(str(data.get("detail", "The generation failed."))))
            yield name, data


def _object(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise _broken_off() from error
    if not isinstance(data, dict):
        raise _broken_off()
    return data


def _is_ours(response: httpx.Response) -> bool:
    return "x-request-id" in response.headers


def _stranger(response: httpx.Response) -> GatewayError:
    return GatewayError(detail=f"What runs there is not this service: it answered {response.status_code}.")


def _broken_off() -> GatewayError:
    return GatewayError(detail="The answer broke off before its end: the service may have stopped.")
