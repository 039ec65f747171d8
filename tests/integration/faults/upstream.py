"""The gateway before an upstream with a fault: the real application, the real provider, real sockets."""

import datetime
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pluggably.domain.routing import RetryPolicy

from ..http.world import World, serving
from ..providers.openai_server import OpenAIServer, openai_server
from .table import Fault

MODEL = "studio/gpt-test"
AT_ONCE = RetryPolicy(first_pause_s=0, longest_pause_s=0)
"""As by default, but without pauses."""


@frozen
class Before:
    """A gateway at `url`, before the upstream."""

    url: str
    upstream: OpenAIServer
    world: World


@asynccontextmanager
async def gateway_before(fault: Fault, retries: RetryPolicy = AT_ONCE) -> AsyncIterator[Before]:
    tls = _untrusted() if fault.at == "untrusted" else None
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can take it meanwhile
        places = {
            "refused": f"http://127.0.0.1:{unused.getsockname()[1]}/v1",
            "unknown name": "http://nowhere.invalid/v1",
        }
        async with openai_server(fault.answer, tls) as upstream:
            settings = {"name": "studio", "base_url": places.get(fault.at, upstream.base_url)} | fault.settings
            provider = upstream.provider(**settings)
            world = World(models=provider, studio=provider, retries=retries)
            try:
                async with serving(world.app()) as url:
                    yield Before(url, upstream, world)
            finally:
                await provider.close()


def _untrusted() -> ssl.SSLContext:
    """A server's side of TLS with a certificate that no authority has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "upstream")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        path = Path(folder, "server.pem")
        path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
        context.load_cert_chain(path)
    return context
