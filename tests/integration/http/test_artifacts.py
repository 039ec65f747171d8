"""Artifacts over HTTP: uploaded, looked at, given out by signed URLs, deleted."""

import asyncio
from datetime import timedelta

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pluggably.domain.access import LOCAL_OPERATOR
from pluggably.entrypoints.http.services import HttpOptions
from tests.artifact_world import ALICE, JPEG, LIMIT, PNG, ArtifactWorld

from .world import World, client_of, raw_connection, serving

PNG_TYPE = {"content-type": "image/png"}
MESH = bytes(range(256)) * 4_000
OPTIONS = HttpOptions(access_log=False, upload_limit_bytes=LIMIT)
_ON_ONE_SERVER = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)


@pytest.fixture
async def files(tmp_path):
    files = ArtifactWorld(tmp_path)
    yield files
    await files.close()


@pytest.fixture
def app(files):
    return World(artifacts=files).app(OPTIONS)


@pytest.fixture
async def http(app):
    async with client_of(app) as client:
        yield client


@pytest.fixture
def a_mesh(files):
    async def a_mesh(data: bytes = MESH, principal=LOCAL_OPERATOR, **facts):
        return await files.keep(data, principal, **facts)

    return a_mesh


async def upload(http, data=PNG, **headers):
    return await http.post("/v1/artifacts", content=data, headers=PNG_TYPE | headers)


async def url_of(http, artifact, **wanted) -> str:
    return (await http.post(f"/v1/artifacts/{artifact.id}/sign", json=wanted)).json()["url"]


async def in_pieces(data: bytes = PNG):
    for begin in range(0, len(data), 1_000):
        yield data[begin : begin + 1_000]


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_picture_is_uploaded_and_can_be_had_again(http, chunked):
    made = await upload(http, in_pieces() if chunked else PNG)
    artifact = made.json()
    assert made.status_code == 201
    assert (artifact["object"], artifact["origin"], artifact["media_type"]) == ("artifact", "uploaded", "image/png")
    assert (artifact["size_bytes"], artifact["width"], artifact["height"]) == (len(PNG), 37, 23)
    assert (await http.get(artifact["url"])).content == PNG
    shown = (await http.get(f"/v1/artifacts/{artifact['id']}")).json()
    assert shown == artifact


@pytest.mark.parametrize(
    ("data", "headers", "said"),
    [
        (PNG, {"content-type": "text/html"}, (415, "unsupported_media_type")),
        (PNG, {"content-type": "image/svg+xml"}, (415, "unsupported_media_type")),
        (JPEG, {}, (400, "picture_invalid")),
        (b"<script>", {}, (400, "picture_invalid")),
        (b"", {}, (400, "picture_invalid")),
        (PNG, {"idempotency-key": "k"}, (400, "invalid_request")),
        (PNG + bytes(LIMIT), {}, (413, "request_too_large")),
    ],
    ids=["type", "svg", "other type", "no picture", "empty", "key", "too large"],
)
@pytest.mark.parametrize("chunked", [True, False])
async def test_what_is_no_input_is_refused_and_the_connection_goes_on(http, data, headers, said, chunked):
    refused = await upload(http, in_pieces(data) if chunked else data, **headers)
    assert (refused.status_code, refused.json()["code"]) == said
    assert (await upload(http)).status_code == 201


async def test_an_upload_without_a_type_is_refused(http):
    refused = await http.post("/v1/artifacts", content=PNG)
    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type")


async def test_an_upload_that_announces_too_much_is_refused_before_it_comes(app):
    async with serving(app) as url, raw_connection(url) as client:
        lines = ["POST /v1/artifacts HTTP/1.1", "Host: x", "Content-Type: image/png", "Content-Length: 999999999"]
        await client.send("\r\n".join([*lines, "", ""]).encode())
        assert b" 413 " in await client.until(b"\r\n\r\n")


async def test_a_client_that_leaves_amid_an_upload_leaves_nothing(app, files):
    async with serving(app) as url:
        async with raw_connection(url) as client:
            lines = ["POST /v1/artifacts HTTP/1.1", "Host: x", "Content-Type: image/png", f"Content-Length: {LIMIT}"]
            await client.send("\r\n".join([*lines, "", ""]).encode(), PNG)
            while not (files.folder / "work").exists() or not files.left_in_work():
                await asyncio.sleep(0.01)
            client.leave()
        while files.left_in_work():
            await asyncio.sleep(0.01)
    assert await files.index.unneeded() == []


async def test_the_content_comes_as_a_download_and_never_as_a_page(http, a_mesh):
    page = await a_mesh(b"<script>alert(1)</script>", media_type="text/html")
    answer = await http.get(await url_of(http, page))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == f'attachment; filename="{page.id}.bin"'
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


async def test_a_download_can_be_given_a_name(http, a_mesh):
    url = await url_of(http, await a_mesh(), filename="chair.glb")
    assert (await http.get(url)).headers["content-disposition"] == 'attachment; filename="chair.glb"'


@pytest.mark.parametrize("filename", ["", "../a", ".a", "a b", 'a"', "a\r\nb", "ä", "a" * 129, "a/b", "a%20b"])
async def test_a_name_that_would_have_to_be_quoted_is_refused(http, a_mesh, filename):
    artifact = await a_mesh()
    refused = await http.post(f"/v1/artifacts/{artifact.id}/sign", json={"filename": filename})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/filename")


@pytest.mark.parametrize("ttl_s", [0, -1, 604_801, 1.5, "60"])
async def test_a_url_is_not_good_for_ever(http, a_mesh, ttl_s):
    artifact = await a_mesh()
    refused = await http.post(f"/v1/artifacts/{artifact.id}/sign", json={"ttl_s": ttl_s})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/ttl_s")


async def test_a_url_is_good_until_its_time_is_over(http, files, a_mesh):
    signed = (await http.post(f"/v1/artifacts/{(await a_mesh()).id}/sign", json={"ttl_s": 60})).json()
    assert signed["object"] == "artifact.url"
    files.now += timedelta(seconds=59)
    assert (await http.get(signed["url"])).status_code == 200
    files.now += timedelta(seconds=1)
    refused = await http.get(signed["url"])
    assert (refused.status_code, refused.json()["code"]) == (403, "signature_expired")


async def test_a_url_of_one_artifact_does_not_open_another(http, a_mesh):
    first, second = await a_mesh(), await a_mesh(b"other")
    url = (await url_of(http, first)).replace(first.id, second.id)
    refused = await http.get(url)
    assert (refused.status_code, refused.json()["code"]) == (403, "signature_invalid")


async def test_without_a_signature_nobody_learns_whether_there_is_an_artifact(http, a_mesh):
    for artifact_id in ((await a_mesh()).id, "art_x"):
        refused = await http.get(f"/v1/artifacts/{artifact_id}/content")
        assert (refused.status_code, refused.json()["code"]) == (403, "signature_invalid")


async def test_a_url_that_is_altered_in_any_byte_gets_nothing(app, files, a_mesh):
    artifact = await a_mesh(b"precious")
    async with serving(app) as url:
        target = (await files.links.link(artifact, filename="a.glb")).url.encode()

        async def ask(target: bytes) -> bytes:
            async with raw_connection(url) as client:
                await client.send(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return await asyncio.wait_for(client.reader.read(), 10)

        assert (await ask(target)).endswith(b"precious")
        for place in range(len(target)):
            for flipped in (0x01, 0x20, 0x80, 0xFF):
                altered = target[:place] + bytes([target[place] ^ flipped]) + target[place + 1 :]
                answer = await ask(altered)
                assert answer.startswith(b"HTTP/1.1 4"), (altered, answer[:60])
                assert b"precious" not in answer


@pytest.mark.parametrize(
    ("part", "other"), [("art_", "%61rt_"), ("/content?", "/content/?"), ("/content?", "//content?"), ("?", "??")]
)
async def test_a_url_that_is_written_in_another_way_gets_nothing(app, files, a_mesh, part, other):
    target = (await files.links.link(await a_mesh(b"precious"))).url.replace(part, other, 1)
    async with serving(app) as url, raw_connection(url) as client:
        await client.send(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(client.reader.read(), 10)
    assert answer.startswith(b"HTTP/1.1 4")


@_ON_ONE_SERVER
@given(data=st.data())
async def test_a_range_is_the_slice(http, files, a_mesh, data):
    artifact = await a_mesh()
    first = data.draw(st.integers(0, len(MESH) - 1))
    last = data.draw(st.integers(first, len(MESH) + 10))
    answer = await http.get(await url_of(http, artifact), headers={"Range": f"bytes={first}-{last}"})
    assert (answer.status_code, answer.content) == (206, MESH[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{min(last, len(MESH) - 1)}/{len(MESH)}"
    assert answer.headers["content-length"] == str(len(answer.content))


@pytest.mark.parametrize(("header", "slice_"), [("bytes=-100", MESH[-100:]), ("bytes=1000000-", MESH[1_000_000:])])
async def test_the_end_can_be_had_alone(http, a_mesh, header, slice_):
    answer = await http.get(await url_of(http, await a_mesh()), headers={"Range": header})
    assert (answer.status_code, answer.content) == (206, slice_)


async def test_behind_the_end_there_is_nothing(http, a_mesh):
    refused = await http.get(await url_of(http, await a_mesh()), headers={"Range": f"bytes={len(MESH)}-"})
    assert (refused.status_code, refused.json()["code"]) == (416, "range_not_satisfiable")
    assert refused.headers["content-range"] == f"bytes */{len(MESH)}"


async def test_a_download_that_broke_off_goes_on_only_with_the_same_content(http, a_mesh):
    url = await url_of(http, await a_mesh())
    etag = (await http.head(url)).headers["etag"]
    same = await http.get(url, headers={"Range": "bytes=5-", "If-Range": etag})
    assert (same.status_code, same.content) == (206, MESH[5:])
    other = await http.get(url, headers={"Range": "bytes=5-", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, MESH)


async def test_whoever_has_it_is_not_sent_it_again(http, a_mesh):
    url = await url_of(http, await a_mesh())
    etag = (await http.get(url)).headers["etag"]
    again = await http.get(url, headers={"If-None-Match": f'"x", {etag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert (await http.get(url, headers={"If-None-Match": '"x"'})).status_code == 200


@pytest.mark.parametrize(("headers", "status", "length"), [({}, 200, len(MESH)), ({"Range": "bytes=0-9"}, 206, 10)])
async def test_head_says_what_get_would(http, a_mesh, headers, status, length):
    url = await url_of(http, await a_mesh())
    head, whole = await http.head(url, headers=headers), await http.get(url, headers=headers)
    assert (head.status_code, head.content, head.headers["content-length"]) == (status, b"", str(length))
    varying = {"x-request-id", "date"}
    assert {k: v for k, v in head.headers.items() if k not in varying} == {
        k: v for k, v in whole.headers.items() if k not in varying
    }


async def test_an_empty_content_is_empty(http, a_mesh):
    answer = await http.get(await url_of(http, await a_mesh(b"")))
    assert (answer.status_code, answer.content) == (200, b"")


async def test_a_content_that_is_gone_has_its_own_status(http, files, a_mesh):
    artifact = await a_mesh()
    url = await url_of(http, artifact)
    await files.files.delete(artifact.content)
    assert (await http.get(url)).status_code == 404


async def test_the_artifacts_of_others_are_not_there(http, a_mesh):
    theirs = await a_mesh(principal=ALICE)
    for artifact_id in (theirs.id, "art_x"):
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/sign")):
            refused = await http.request(method, f"/v1/artifacts/{artifact_id}{path}")
            assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


async def test_what_was_deleted_is_gone_for_everybody(http, a_mesh):
    artifact = await a_mesh()
    url = await url_of(http, artifact)
    assert (await http.delete(f"/v1/artifacts/{artifact.id}")).status_code == 204
    assert (await http.get(url)).status_code == 404
    assert (await http.get(f"/v1/artifacts/{artifact.id}")).status_code == 404
    assert (await http.delete(f"/v1/artifacts/{artifact.id}")).status_code == 404


async def test_urls_begin_as_the_service_is_reached(http, files, a_mesh):
    artifact = await a_mesh()
    assert (await url_of(http, artifact)).startswith(f"{http.base_url}/v1/artifacts/{artifact.id}/content?expires=")
    files.links = evolve(files.links, public_url="https://llm.example.com/api")
    async with client_of(World(artifacts=files).app(OPTIONS)) as other:
        url = await url_of(other, artifact)
    assert url.startswith(f"https://llm.example.com/api/v1/artifacts/{artifact.id}/content?expires=")


async def test_a_reader_that_leaves_early_lets_go_of_the_file(app, files, a_mesh):
    artifact, closed = await a_mesh(), asyncio.Event()
    read = files.files.read

    async def watched(*arguments):
        try:
            async for piece in read(*arguments):
                yield piece
        finally:
            closed.set()

    files.files.read = watched
    async with serving(app) as url, raw_connection(url) as client:
        target = (await files.links.link(artifact)).url
        await client.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await client.until(b"\r\n\r\n")
        client.leave()
        await asyncio.wait_for(closed.wait(), 10)
