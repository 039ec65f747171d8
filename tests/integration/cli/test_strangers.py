"""Something else answers where the service should be."""

from http.server import BaseHTTPRequestHandler

import pytest

from tests.integration.cli.pluggably import pluggably
from tests.integration.cli.scripted import serving


def stranger(body: bytes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@pytest.mark.parametrize(
    "body",
    [b"<html>It works!</html>", b'{"object": "list", "data": [{"id": "a", "object": "model"}]}', b"[]"],
    ids=["a web page", "another model server", "another API"],
)
@pytest.mark.parametrize("words", [("models",), ("chat",), ("sessions", "list")], ids=" ".join)
def test_another_server_is_told_apart_in_a_sentence(words, body):
    with serving(stranger(body)) as url:
        refused = pluggably(*words, "--url", url)
    assert refused.returncode == 1
    assert "not this service" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_doctor_tells_another_program_on_the_port(tmp_path, demo_gguf):
    with serving(stranger(b"<html>")) as url:
        port = url.rpartition(":")[2]
        seen = pluggably(
            "doctor",
            cwd=tmp_path,
            PLUGGABLY_MODELS__FOLDERS=f'["{demo_gguf.parent}"]',
            PLUGGABLY_SERVER__PORT=port,
        )
    assert seen.returncode == 1
    assert "another program listens there" in seen.stdout
    assert "--port" in seen.stdout


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "http://[::1", "http://", "ftp://127.0.0.1"])
def test_what_is_no_address_is_refused_in_a_sentence(url):
    refused = pluggably("models", "--url", url)
    assert refused.returncode == 1
    assert refused.stderr.startswith("pluggably: ")
    assert "Traceback" not in refused.stderr
