"""An identity provider that others certified: the npm package `oidc-provider`, as a process of its own."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import RSAKey

HERE = Path(__file__).resolve().parent
INSTALLED = HERE.parent.parent / ".cache" / "oidc-provider"
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
    command = ["node", str(_installed() / "server.js"), settings]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield OidcServer(process)
        finally:
            process.stdin.close()
            process.wait(10)


def _installed() -> Path:
    """Where the provider is with all that it needs; installed when it is first needed, and anew once its files change.

    The folder gets its name in one step, so that test processes may race for it.
    """
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("the identity provider of these tests needs node and npm, which are not installed")
    files = [HERE / name for name in ("package.json", "server.js")]
    folder = INSTALLED / sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
    if not folder.exists():
        INSTALLED.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=INSTALLED))
        for file in files:  # a module finds its packages beside itself
            shutil.copy(file, made)
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
        subprocess.run(command, cwd=made, check=True, stdout=subprocess.DEVNULL)
        try:
            made.rename(folder)
        except OSError:  # another one was faster
            shutil.rmtree(made)
    return folder


def _private(keys: tuple[RSAKey, ...]) -> list[dict[str, str]]:
    return [key.as_dict(private=True) for key in keys]


def _auth(client: str) -> httpx.BasicAuth:
    return httpx.BasicAuth(client, f"secret+of+{client}")
