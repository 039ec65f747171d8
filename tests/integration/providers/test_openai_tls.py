"""Whom the `openai` provider gives its key to: only a server whose certificate it can check."""

import datetime
import ipaddress
import ssl

import pytest
from attrs import evolve
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pluggably.domain.errors import ProviderUnreachable

from ...builders import a_request
from .openai_server import counting, openai_server


@pytest.fixture
def certificate(tmp_path):
    """A file with a certificate for 127.0.0.1 that no authority has signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stub")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "server.pem"
    path.write_bytes(secret + signed.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def asked_of(provider):
    return evolve(a_request("Hi"), model=provider.match("stub/gpt-test"))


async def test_a_server_that_nobody_vouches_for_gets_nothing(tls):
    async with openai_server(counting, tls) as server:
        provider = server.provider()
        with pytest.raises(ProviderUnreachable):
            [event async for event in provider.generate(asked_of(provider))]
        await provider.close()
    assert server.calls == []


async def test_a_private_authority_is_named_by_ssl_cert_file(tls, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with openai_server(counting, tls) as server:
        provider = server.provider()
        events = [event async for event in provider.generate(asked_of(provider))]
        await provider.close()
    assert events[-1].output
