"""Nothing that a client says moves the upstream: it is where the settings say, and nobody else is ever connected to."""

import json
import socket
from urllib.parse import urlsplit

import httpx
import pytest
from attrs import frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..http.world import TLS
from ..service import Service
from .stub import Canary, Stub, canary, stub

KEY = "sk-only-for-the-upstream"
SETTINGS = """
[sessions]
store = "memory"
[artifacts]
fetch_plain_http = true
[[providers]]
name = "studio"
base_url = "{base_url}"
models = ["gpt-test", "*"]
api_key_env = "STUDIO_KEY"
[[providers]]
name = "painter"
base_url = "{base_url}"
models = ["gpt-image-1"]
api_key_env = "STUDIO_KEY"
"""

ROUTES = """
/v1/chat/completions /v1/generations/text /v1/generations/image /v1/generations/3d /v1/images/generations /v1/sessions
/v1/artifacts /v1/models
""".split()  # noqa: SIM905 - to be read
FIELDS = """
base_url baseURL api_base api_url url host endpoint proxy upstream provider callback_url webhook webhook_url api_key
custom_host extra_body extra_headers extra_query metadata parameters router route fallbacks user image image_url
input_url model_url response_format state_token session_id artifact_url
""".split()  # noqa: SIM905 - to be read
HEADERS = """
Host X-Forwarded-Host X-Forwarded-For X-Forwarded-Proto X-Forwarded-Server X-Forwarded-Port X-Forwarded-Prefix Forwarded
X-Real-IP X-Original-URL X-Rewrite-URL X-Original-Host X-Host X-Base-URL Base-URL Api-Base X-Api-Base X-Upstream
X-Target-URL X-Custom-Host X-Provider OpenAI-Base-URL Proxy Proxy-Authorization Via Referer Origin Location Destination
Authorization X-Request-Id Idempotency-Key If-Match Last-Event-ID
""".split()  # noqa: SIM905 - to be read


@frozen
class Place:
    url: str
    upstream: Stub
    canary: Canary


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gateway")
    with stub() as upstream, canary() as watched:
        text = SETTINGS.format(base_url=upstream.base_url)
        with Service(folder, folder, text, {"STUDIO_KEY": KEY}) as service:
            yield Place(service.url, upstream, watched)


WRITTEN = [
    *"""
    http://{at} http://{at}/v1 https://{at}/v1 //{at}/v1 {at} http://user:pass@{at}/ http://localhost:{port}/v1
    http://[::ffff:127.0.0.1]:{port}/ http://2130706433:{port}/ http://127.1:{port}/v1/ http:/{at} HTTP://{at} @{at}/
    /../@{at} ?u=http://{at} #@{at} ws://{at}
    """.split(),  # noqa: SIM905 - to be read
    "\\\\{at}\\x",
    "x\r\nHost: {at}",
    "\thttp://{at}",
]
MODELS = ("{0}", "studio/{0}", "studio/gpt-test/{0}", "studio/gpt-test@{0}", "studio/gpt-test?{0}", "painter/{0}")
KNOWN = ("studio/gpt-test", "painter/gpt-image-1", "tiny-solids-from-image")
TARGETS = (
    "{route}",
    "{route}",
    "http://{at}{route}",
    "//{at}{route}",
    "{route}?base_url=http://{at}",
    "{route}/http://{at}",
)


@st.composite
def requests(draw, port: int):
    """A request of which any part names the canary: its target, headers, fields, model, pictures."""
    at, route = f"127.0.0.1:{port}", draw(st.sampled_from(ROUTES))

    def named() -> str:
        return draw(st.just("http://{at}/v1") | st.sampled_from(WRITTEN)).format(at=at, port=port)

    def value() -> object:
        return draw(st.sampled_from((named(), [named()], {"url": named()}, {"base_url": named(), "host": named()})))

    model = draw(st.sampled_from(KNOWN) | st.sampled_from(MODELS).map(lambda it: it.format(named())))
    body = {"model": model, "stream": draw(st.booleans())} | _said(draw, route, named)
    if "chat" in route or draw(st.booleans()):  # the other routes refuse what they do not know
        body |= {name: value() for name in draw(st.lists(st.sampled_from(FIELDS), max_size=3, unique=True))}
    names = draw(st.lists(st.sampled_from(HEADERS), max_size=4, unique=True))
    headers = [(name.encode(), named().strip().replace("\r\n", " ").encode()) for name in names]
    return draw(st.sampled_from(TARGETS)).format(route=route, at=at), headers, body


def _said(draw, route: str, named) -> dict:
    """What is said, as the route wants it: in words, or with a picture."""
    text = {"type": "text", "text": named()}
    if route == "/v1/images/generations":
        return {"prompt": named()}
    if route == "/v1/chat/completions":
        picture = {"type": "image_url", "image_url": {"url": named()}}
        return {"messages": [{"role": "user", "content": draw(st.sampled_from((named(), [text, picture])))}]}
    picture = draw(st.sampled_from(({"type": "image", "url": named()}, {"type": "artifact", "artifact_id": named()})))
    return {"input": draw(st.sampled_from((named(), [{"role": "user", "content": [text, picture]}])))}


def sent(url: str, target: str, headers: list[tuple[bytes, bytes]], body: dict) -> int:
    """The status of the answer; a target and headers that no proper client would send go out as they are."""
    own = {name.lower() for name, _ in headers}
    with httpx.Client(verify=TLS, timeout=20) as http:
        ordinary = [(b"Host", url.removeprefix("http://").encode())] if b"host" not in own else []
        request = httpx.Request(
            "POST",
            url,
            headers=[*ordinary, *headers, (b"Content-Type", b"application/json")],
            content=json.dumps(body).encode(),
            extensions={"target": target.encode()},
        )
        return http.send(request).status_code


def test_no_field_and_no_header_moves_the_upstream(place):
    port, reached = place.canary.port, []

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(requests(port))
    def nobody_comes_to_the_canary(request) -> None:
        reached.append(sent(place.url, *request))
        assert not place.canary.seen()

    nobody_comes_to_the_canary()
    at = urlsplit(place.upstream.base_url).netloc
    assert len(place.upstream.heads) > 20, "most requests were refused before they could show anything"
    assert all(f"Host: {at}" in head and f"Bearer {KEY}" in head for head in place.upstream.heads)
    assert not [head for head in place.upstream.heads if str(port) in head], "a client's header reached the upstream"


def test_the_canary_would_have_seen_it(place):
    socket.create_connection(("127.0.0.1", place.canary.port)).close()
    assert place.canary.seen()
    assert not place.canary.seen()


@pytest.mark.parametrize("route", ["/v1/chat/completions", "/v1/generations/text"])
def test_the_way_is_open_for_what_names_nobody(place, route):
    body = {"model": "studio/gpt-test"} | (
        {"messages": [{"role": "user", "content": "Hi"}]} if "chat" in route else {"input": "Hi"}
    )
    assert sent(place.url, route, [], body) == 200
