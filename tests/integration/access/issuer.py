"""An issuer of tokens: a real HTTP server with its discovery document and its keys, which tests change as they like."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, KeySet, RSAKey
from joserfc.jws import JWSRegistry

from pluggably.adapters.access.claims import ClaimRules
from pluggably.adapters.access.jwks import IssuerKeys
from pluggably.adapters.access.tokens import TokenAuthenticator
from tests.session_builders import NOON as SOME_TIME

NOON = SOME_TIME.replace(second=0, microsecond=0)
AUDIENCE = "https://gateway.test"
ONE, TWO = (RSAKey.generate_key(2048, {"kid": kid}) for kid in ("one", "two"))
CURVED = ECKey.generate_key("P-256", {"kid": "curved"})
DISCOVERY, KEYS, INTROSPECTION = "/.well-known/openid-configuration", "/keys", "/introspect"


class Clock:
    """The time: noon, unless it is put forward."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self):
        return self.at


class Issuer:
    """`answers` has a status and a body by path; `asked` the paths that were, with what was sent."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[tuple[str, str, str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.answer(DISCOVERY, {"issuer": url, "jwks_uri": url + KEYS})
        self.publish(ONE, CURVED)

    def answer(self, path: str, document: Any, status: int = 200) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.answers[path] = (status, body)

    def publish(self, *keys: Any) -> None:
        self.answer(KEYS, KeySet(list(keys)).as_dict(private=False))

    def times(self, path: str) -> int:
        return [it for it, *_ in self.asked].count(path)

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Those of a good token; a change to None leaves one out."""
        now = int(NOON.timestamp())
        good = {"iss": self.url, "aud": AUDIENCE, "sub": "ada", "exp": now + 300, "scope": "generate openid"}
        return {name: value for name, value in (good | changed).items() if value is not None}

    def token(self, key: Any = ONE, header: dict[str, Any] | None = None, **changed: Any) -> str:
        algorithm = "ES256" if key is CURVED else "RS256"
        header = {"alg": algorithm, "kid": key.kid} | (header or {})
        header = {name: value for name, value in header.items() if value is not None}
        text = json.dumps(self.claims(**changed)).encode()
        registry = JWSRegistry(algorithms=[header["alg"]], strict_check_header=False)
        return jws.serialize_compact(header, text, key, registry=registry)

    def authenticator(self, clock, **changed: Any) -> TokenAuthenticator:
        facts = {
            "issuer": self.url,
            "audience": AUDIENCE,
            "algorithms": ("RS256", "ES256"),
            "keys": IssuerKeys(self.url),
            "rules": ClaimRules(issuer="test"),
            "clock": clock,
        }
        return TokenAuthenticator(**(facts | changed))


@contextmanager
def issuing() -> Iterator[Issuer]:
    """An issuer that answers until the context is left."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.respond("")

        def do_POST(self) -> None:
            self.respond(self.rfile.read(int(self.headers["content-length"])).decode())

        def respond(self, sent: str) -> None:
            issuer.asked.append((self.path, sent, self.headers.get("authorization", "")))
            issuer.gate.wait(10)
            status, body = issuer.answers.get(self.path, (404, b""))
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("Location", body.decode())
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer = Issuer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield issuer
        finally:
            issuer.gate.set()
            server.shutdown()
            thread.join()
