"""Files are kept once, for whoever owns them, until they are deleted or their time is over."""

import asyncio
from base64 import b64encode
from datetime import timedelta
from hashlib import sha256

import pytest

from pluggably.adapters.artifacts.index import SqlArtifactIndex
from pluggably.adapters.database.sqlite import SqliteDatabase
from pluggably.application.artifact_links import Inline, Link
from pluggably.domain.artifact import MOST_INLINE_BYTES, Origin
from pluggably.domain.errors import (
    ArtifactTooLarge,
    GatewayError,
    NotFound,
    PictureInvalid,
    SignatureExpired,
    StoreUnavailable,
    UnsupportedMediaType,
    UrlNotAllowed,
    UrlUnavailable,
)
from pluggably.domain.generation import ImagePart, OutputFile
from tests.artifact_world import ALICE, BOB, JPEG, LIMIT, PNG, URL, ArtifactWorld
from tests.pictures import encoded
from tests.session_builders import NOON


@pytest.fixture
async def world(tmp_path):
    world = ArtifactWorld(tmp_path)
    yield world
    await world.close()


async def test_what_a_generator_made_is_kept_with_what_is_known_of_it(world):
    path = world.folder / "mesh.glb"
    path.write_bytes(b"glTF")
    made = OutputFile(path=str(path), media_type="Model/gltf-binary; x=y", facts={"vertices": 8})
    artifact = await world.artifacts.keep(made, ALICE, session_id="ses_1", generation_id="gen_1")
    path.unlink()
    assert await world.artifacts.get(artifact.id, ALICE) == artifact
    assert (artifact.origin, artifact.media_type, artifact.facts) == (
        Origin.GENERATED,
        "model/gltf-binary",
        {"vertices": 8},
    )
    assert (artifact.session_id, artifact.generation_id, artifact.kept_until) == ("ses_1", "gen_1", None)
    assert artifact.content.sha256 == sha256(b"glTF").hexdigest()
    assert await world.content(artifact) == b"glTF"


@pytest.mark.parametrize("what", ["link", "folder", "nothing"])
async def test_what_is_no_file_of_its_own_is_not_kept(world, what):
    (world.folder / "secret").write_text("secret")
    (world.folder / "link").symlink_to(world.folder / "secret")
    (world.folder / "folder").mkdir()
    with pytest.raises(GatewayError):
        await world.artifacts.keep(OutputFile(path=str(world.folder / what), media_type="image/png"), ALICE)
    assert await world.index.unneeded() == []


async def test_an_upload_is_kept_and_its_size_known(world):
    artifact = await world.upload()
    assert (artifact.origin, artifact.media_type) == (Origin.UPLOADED, "image/png")
    assert artifact.facts == {"width": 37, "height": 23}
    assert await world.content(artifact) == PNG
    assert world.left_in_work() == []


@pytest.mark.parametrize(
    ("data", "media_type", "error"),
    [
        (PNG, "image/gif", UnsupportedMediaType),
        (PNG, "image/jpeg", PictureInvalid),
        (b"<html>", "image/png", PictureInvalid),
        (b"", "image/png", PictureInvalid),
        (PNG + bytes(LIMIT), "image/png", ArtifactTooLarge),
        (encoded("PNG", (101, 100)), "image/png", ArtifactTooLarge),
    ],
    ids=["type", "other type", "no picture", "empty", "bytes", "pixels"],
)
async def test_what_is_no_picture_that_is_accepted_is_refused_and_nothing_of_it_kept(world, data, media_type, error):
    with pytest.raises(error):
        await world.upload(data, media_type)
    assert await world.index.unneeded() == []
    assert not (world.folder / "work").exists() or world.left_in_work() == []


async def test_an_upload_that_breaks_off_leaves_nothing(world):
    async def chunks():
        yield PNG[:50]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await world.artifacts.upload(chunks(), "image/png", ALICE)
    assert world.left_in_work() == []


async def test_the_artifacts_of_others_are_not_there(world):
    artifact = await world.keep()
    for use in (world.artifacts.get, world.artifacts.delete):
        with pytest.raises(NotFound) as refused:
            await use(artifact.id, BOB)
        with pytest.raises(NotFound) as unknown:
            await use("art_x", BOB)
        assert str(refused.value).replace(artifact.id, "art_x") == str(unknown.value)
    assert await world.artifacts.get(artifact.id, ALICE)


async def test_the_same_content_is_stored_once_and_kept_for_the_last_who_has_it(world):
    first, second = await world.keep(principal=ALICE), await world.keep(principal=BOB)
    assert first.id != second.id
    await world.artifacts.delete(first.id, ALICE)
    with pytest.raises(NotFound):
        await world.artifacts.get(first.id, ALICE)
    assert await world.content(second) == b"mesh"
    await world.artifacts.delete(second.id, BOB)
    assert not await world.files.has(second.content)
    assert await world.index.unneeded() == []


async def test_who_keeps_what_another_one_deletes_at_the_same_time_has_it(tmp_path):
    database = SqliteDatabase(tmp_path / "gateway.sqlite")
    world = ArtifactWorld(tmp_path, SqlArtifactIndex(database))
    kept = []

    async def come_and_go() -> None:
        for _ in range(5):
            artifact = await world.keep()
            assert await world.content(artifact) == b"mesh"
            await world.artifacts.delete(artifact.id, ALICE)
        kept.append(await world.keep())

    await asyncio.gather(*(come_and_go() for _ in range(5)))
    assert [await world.content(artifact) for artifact in kept] == [b"mesh"] * 5
    await world.close()
    await database.close()


async def test_who_keeps_what_is_being_deleted_waits_for_its_end(world):
    artifact, delete = await world.keep(), world.files.delete
    deleting, may_go_on = asyncio.Event(), asyncio.Event()

    async def slowly_delete(content):
        deleting.set()
        await may_go_on.wait()
        await delete(content)

    world.files.delete = slowly_delete
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(world.artifacts.delete(artifact.id, ALICE))
        await deleting.wait()
        keeping = tasks.create_task(world.keep())
        await asyncio.wait({keeping}, timeout=0.1)  # it would be done by then
        may_go_on.set()
    assert await world.content(keeping.result()) == b"mesh"


async def test_content_that_was_removed_between_its_storing_and_its_noting_is_stored_again(world):
    put, puts = world.files.put, []

    async def put_and_lose(path, content):
        await put(path, content)
        puts.append(content)
        if len(puts) == 1:
            await world.files.delete(content)  # as another process does that deletes the last artifact which had it

    world.files.put = put_and_lose
    artifact = await world.keep()
    assert (await world.content(artifact), len(puts)) == (b"mesh", 2)


async def test_an_artifact_whose_time_is_over_is_gone_at_once_and_cleaned_up_later(tmp_path):
    world = ArtifactWorld(tmp_path, keep_for=timedelta(days=1))
    artifact = await world.keep()
    assert artifact.kept_until == NOON + timedelta(days=1)
    world.now = NOON + timedelta(days=1) - timedelta(microseconds=1)
    assert await world.artifacts.cleanup() == 0
    assert await world.artifacts.get(artifact.id, ALICE)
    world.now = NOON + timedelta(days=1)
    with pytest.raises(NotFound):
        await world.artifacts.get(artifact.id, ALICE)
    assert await world.files.has(artifact.content)
    assert await world.artifacts.cleanup() == 1
    assert not await world.files.has(artifact.content)
    await world.close()


async def test_a_content_that_a_crash_left_without_an_artifact_is_cleaned_up(world):
    artifact = await world.keep()
    await world.index.delete(artifact.id)  # all that a process did before it ended
    assert await world.artifacts.cleanup() == 0
    assert not await world.files.has(artifact.content)
    assert await world.index.unneeded() == []


async def test_a_session_takes_its_artifacts_along_and_no_others(world):
    for data in (b"a", b"b", b"shared"):
        await world.keep(data, session_id="ses_1")
    other = await world.keep(b"shared", session_id="ses_2")
    forgotten = await world.artifacts.forget_session("ses_1")
    assert (forgotten.deleted, forgotten.left) == (3, 0)
    assert await world.index.of_session("ses_1") == []
    assert await world.content(other) == b"shared"


async def test_what_could_not_be_deleted_with_its_session_is_counted_and_done_by_the_next_cleanup(world):
    lost, gone = await world.keep(b"a", session_id="ses_1"), await world.keep(b"b", session_id="ses_1")
    delete = world.files.delete

    async def fail_for_one(content):
        if content == lost.content:
            raise StoreUnavailable
        await delete(content)

    world.files.delete = fail_for_one
    forgotten = await world.artifacts.forget_session("ses_1")
    assert (forgotten.deleted, forgotten.left) == (1, 1)
    world.files.delete = delete
    await world.artifacts.cleanup()
    assert not await world.files.has(lost.content)
    assert not await world.files.has(gone.content)


async def test_a_link_leads_to_its_artifact_until_its_time_is_over(world):
    artifact = await world.keep()
    link = await world.links.link(artifact, timedelta(minutes=1), "cat.glb")
    path, _, query = link.url.partition("?")
    found, grant = await world.links.follow("GET", path, query, artifact.id)
    assert (found, grant.disposition) == (artifact, 'attachment; filename="cat.glb"')
    world.now = link.expires_at
    with pytest.raises(SignatureExpired):
        await world.links.follow("GET", path, query, artifact.id)


async def test_a_link_to_what_was_deleted_leads_nowhere(world):
    artifact = await world.keep()
    path, _, query = (await world.links.link(artifact)).url.partition("?")
    await world.artifacts.delete(artifact.id, ALICE)
    with pytest.raises(NotFound):
        await world.links.follow("GET", path, query, artifact.id)


async def test_a_link_is_good_for_a_week_at_most(world):
    link = await world.links.link(await world.keep(), timedelta(days=400))
    assert link.expires_at <= NOON + timedelta(days=7)


async def test_a_small_file_is_in_the_answer_and_a_large_one_is_linked(world):
    small, large = await world.keep(b"0123456789"), await world.keep(b"0123456789a")
    assert await world.links.deliver(small, "auto") == Inline(b"0123456789")
    assert await world.links.deliver(large, "inline") == Inline(b"0123456789a")
    assert isinstance(await world.links.deliver(large, "auto"), Link)
    assert isinstance(await world.links.deliver(small, "url"), Link)
    assert isinstance(await world.links.deliver(await world.keep(bytes(MOST_INLINE_BYTES + 1)), "inline"), Link)


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{b64encode(data).decode()}"


async def shown(world, part, principal=ALICE) -> tuple[bytes, str, str]:
    async with world.inputs.open(part, principal) as file:
        with open(file.path, "rb") as opened:  # noqa: ASYNC230, PTH123 - as an engine does
            return opened.read(), file.media_type, file.use


async def test_whatever_a_part_shows_is_brought_to_an_engine(world):
    kept = await world.upload()
    assert await shown(world, kept.as_part("mask")) == (PNG, "image/png", "mask")
    assert await shown(world, ImagePart(data_url(PNG))) == (PNG, "image/png", "image")
    assert await shown(world, ImagePart(URL)) == (JPEG, "image/jpeg", "image")
    assert world.left_in_work() == []


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://pictures.test/a", UrlNotAllowed),
        ("https://pictures.test/none", UrlUnavailable),
        (f"{URL}/page", PictureInvalid),
        ("data:image/png,abc", UrlNotAllowed),
        ("data:image/png;base64", UrlNotAllowed),
        ("data:;base64,AAAA", UnsupportedMediaType),
        (data_url(PNG, "image/svg+xml"), UnsupportedMediaType),
        (data_url(b"<svg/>"), PictureInvalid),
        ("data:image/png;base64,A", PictureInvalid),
        ("data:image/png;base64,AA!A", PictureInvalid),
        ("data:image/png;base64,ÄÄÄÄ", PictureInvalid),
        (data_url(encoded("PNG", (101, 100))), ArtifactTooLarge),
        (data_url(PNG + bytes(LIMIT)), ArtifactTooLarge),
    ],
)
async def test_what_is_no_picture_is_not_brought_to_an_engine(world, url, error):
    with pytest.raises(error):
        await shown(world, ImagePart(url))
    assert not (world.folder / "work").exists() or world.left_in_work() == []


async def test_nobody_shows_the_artifacts_of_others(world):
    kept = await world.upload()
    with pytest.raises(NotFound):
        await shown(world, kept.as_part(), BOB)


async def test_a_kept_picture_is_looked_at_before_an_engine_decodes_it(world):
    generated = await world.keep(encoded("PNG", (101, 100)), media_type="image/png")
    with pytest.raises(ArtifactTooLarge):
        await shown(world, generated.as_part())


async def test_a_large_data_url_is_decoded_in_pieces_and_whole(world):
    picture = PNG + bytes(LIMIT - len(PNG))  # behind its end a PNG may have anything
    assert (await shown(world, ImagePart(data_url(picture))))[0] == picture
