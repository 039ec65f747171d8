"""What several contracts are run against."""

import secrets
from collections.abc import Iterator

import pytest
import xllamacpp


@pytest.fixture(scope="module")
def llama_server(demo_gguf) -> Iterator[tuple[str, str]]:
    """llama.cpp's own HTTP server in this process, on a free loopback port and with a random key."""
    key = secrets.token_hex(16)
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(demo_gguf)
    parameters.n_ctx, parameters.n_parallel = 2048, 4
    parameters.hostnames, parameters.port, parameters.api_keys = ["127.0.0.1"], 0, [key]
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1  # more only spin while others work
    parameters.verbosity = 0
    server = xllamacpp.Server(parameters)
    yield server.listening_address, key
    del server
