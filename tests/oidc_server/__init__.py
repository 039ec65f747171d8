"""An identity provider that others certified: the npm package `oidc-provider`, as a process of its own."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from joserfc.jwk import RSAKey

from tests.npm_packages import installed

HERE = Path(__file__).resolve().parent
AUDIENCE = "https://gateway.test"


def a_key(key_id: str) -> RSAKey:
    """A key to sign with."""
    return RSAKey.generate_key(2048, {"kid": key_id, "use": "sig", "alg": "RS256"})


class OidcServer:
    """A running provider with the clients `app`, which asks for tokens, and `gateway`, which may ask what they are."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.issuer = self._said("listening ").strip()

    def rotate(self, *keys: RSAKey) -> None:
        """Sign with the first of these from now on, and publish all."""
        self._process.stdin.write(json.dumps(_private(keys)) + "\n")
        self._process.stdin.flush()
        self._said("rotated")

    def token(self, kind: str = "jwt", *, scope: str = "generate models:read", audience: str = AUDIENCE) -> str:
        """A new token: a `jwt` or an `opaque` one."""
        wanted = {"grant_type": "client_credentials", "scope": scope, "resource": f"{audience}/{kind}"}
        answer = httpx.post(f"{self.issuer}/token", data=wanted, auth=_auth("app"))
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()["access_token"]

    def revoke(self, token: str) -> None:
        """Take a token back."""
        answer = httpx.post(f"{self.issuer}/token/revocation", data={"token": token}, auth=_auth("app"))
        assert answer.status_code == httpx.codes.OK, answer.text

    def _said(self, word: str) -> str:
        for line in self._process.stdout:
            if line.startswith(word):
                return line.removeprefix(word)
        raise AssertionError(f"the provider ended without saying {word!r}")


@contextmanager
def serving(*keys: RSAKey) -> Iterator[OidcServer]:
    """A provider that signs with the first of these keys, until the context is left."""
    settings = json.dumps({"keys": _private(keys), "audience": AUDIENCE})
    command = ["node", str(installed(HERE / "package.json", HERE / "server.js") / "server.js"), settings]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield OidcServer(process)
        finally:
            process.stdin.close()
            process.wait(10)


def _private(keys: tuple[RSAKey, ...]) -> list[dict[str, str]]:
    return [key.as_dict(private=True) for key in keys]


def _auth(client: str) -> httpx.BasicAuth:
    return httpx.BasicAuth(client, f"secret+of+{client}")
