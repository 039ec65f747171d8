"""Artifacts of the service as its users run it: large files, little memory, URLs that outlive a restart."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.service import Service
from tests.pictures import encoded

SIZE = 50 * 2**20
GROWTH = 30 * 2**20
PIECE = 2**16
PNG_TYPE = {"content-type": "image/png"}
SETTINGS = f"[artifacts]\nupload_limit_bytes = {SIZE}\n"


@pytest.fixture
def disk(tmp_path):
    with Service(tmp_path, tmp_path / "models", SETTINGS) as service:
        yield service


@pytest.fixture
def on_s3(tmp_path, s3):
    bucket = s3.bucket()
    settings = f'{SETTINGS}store = "s3"\ns3_endpoint = "{s3.endpoint}"\ns3_bucket = "{bucket.name}"\n'
    keys = {"AWS_ACCESS_KEY_ID": s3.access_key, "AWS_SECRET_ACCESS_KEY": s3.secret_key}
    with Service(tmp_path, tmp_path / "models", settings, keys) as service:
        yield service


def a_picture(size: int = SIZE) -> Iterator[bytes]:
    """A PNG of that many bytes; behind its end it has what nothing can compress."""
    start = encoded("PNG")
    yield start
    left = size - len(start)
    while left:
        yield os.urandom(min(left, PIECE))
        left -= min(left, PIECE)


class Counted:
    """The picture as it goes out, and the sha256 of it."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        for piece in a_picture():
            self.digest.update(piece)
            yield piece


class Memory:
    """What a process has in memory, and the most that it had since this was made."""

    def __init__(self, pid: int) -> None:
        self._process = Path(f"/proc/{pid}")
        (self._process / "clear_refs").write_text("5")  # forget the highest so far
        self._before = self._of("VmRSS")

    @property
    def growth(self) -> int:
        return self._of("VmHWM") - self._before

    def _of(self, name: str) -> int:
        lines = (self._process / "status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def upload(http: httpx.Client, content) -> dict:
    answer = http.post("/v1/artifacts", content=content, headers=PNG_TYPE)
    assert answer.status_code == 201, answer.text
    return answer.json()


def sha256_at(url: str) -> str:
    digest = hashlib.sha256()
    with httpx.stream("GET", url, timeout=60) as answer:
        assert answer.status_code == 200
        for piece in answer.iter_raw(PIECE):
            digest.update(piece)
    return digest.hexdigest()


@pytest.mark.parametrize("store", ["disk", "on_s3"])
def test_fifty_megabytes_go_in_and_out_with_little_memory(store, request):
    service = request.getfixturevalue(store)
    with httpx.Client(base_url=service.url, timeout=60) as http:
        httpx.get(upload(http, encoded("PNG"))["url"])  # whatever is loaded at the first use
        memory, sent = Memory(service.process.pid), Counted()
        artifact = upload(http, sent)
        assert artifact["size_bytes"] == SIZE
        assert artifact["sha256"] == sent.digest.hexdigest() == sha256_at(artifact["url"])
        http.delete(f"/v1/artifacts/{artifact['id']}").raise_for_status()
    assert memory.growth < GROWTH


def test_a_url_outlives_a_restart_and_its_key_the_one_that_signs(tmp_path):
    service = Service(tmp_path, tmp_path / "models", SETTINGS).start()
    keys = tmp_path / "artifacts" / "url.keys"
    with httpx.Client(base_url=service.url) as http:
        artifact = upload(http, encoded("PNG"))
    service.stop()
    keys.write_text(f"{'ab' * 32}\n{keys.read_text()}")  # another one signs from now on
    with service, httpx.Client(base_url=service.url) as http:
        assert http.get(artifact["url"]).content == encoded("PNG")
        newer = http.post(f"/v1/artifacts/{artifact['id']}/sign").json()["url"]
        assert newer.rpartition("signature=")[2][:8] != artifact["url"].rpartition("signature=")[2][:8]
    keys.write_text(f"{'ab' * 32}\n")  # the old one's time is over
    with service, httpx.Client(base_url=service.url) as http:
        assert http.get(artifact["url"]).json()["code"] == "signature_invalid"
        assert http.get(newer).content == encoded("PNG")


def test_the_store_gives_its_own_urls(on_s3, s3):
    with httpx.Client(base_url=on_s3.url, timeout=60) as http:
        artifact = upload(http, encoded("PNG"))
        assert artifact["url"].startswith(f"{s3.endpoint}/bucket")
        answer = httpx.get(artifact["url"])
        assert answer.content == encoded("PNG")
        assert answer.headers["content-disposition"] == f'attachment; filename="{artifact["id"]}.png"'
        http.delete(f"/v1/artifacts/{artifact['id']}").raise_for_status()
        assert httpx.get(artifact["url"]).status_code == 404


def test_a_store_that_cannot_be_used_is_said_at_the_start(tmp_path, s3):
    settings = f'[artifacts]\nstore = "s3"\ns3_endpoint = "{s3.endpoint}"\ns3_bucket = "nowhere"\n'
    keys = {"AWS_ACCESS_KEY_ID": s3.access_key, "AWS_SECRET_ACCESS_KEY": s3.secret_key}
    service = Service(tmp_path, tmp_path / "models", settings, keys)
    with pytest.raises(AssertionError, match="no bucket 'nowhere'"):
        service.start()


def test_several_services_on_one_database_and_one_store_have_the_same_artifacts(tmp_path, s3, database):
    bucket = s3.bucket()
    settings = (
        '[sessions]\nstore = "postgres"\nurl_env = "DATABASE_URL"\nmaster_key_env = "MASTER_KEY"\n'
        f'[artifacts]\nstore = "s3"\ns3_endpoint = "{s3.endpoint}"\ns3_bucket = "{bucket.name}"\n'
    )
    shared = {"DATABASE_URL": database, "MASTER_KEY": "cd" * 32}
    keys = {"AWS_ACCESS_KEY_ID": s3.access_key, "AWS_SECRET_ACCESS_KEY": s3.secret_key}
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    first, second = (Service(folder, folder / "models", settings, shared | keys) for folder in folders)
    with first, second:
        with httpx.Client(base_url=first.url, timeout=60) as http:
            ours, theirs = upload(http, encoded("PNG")), upload(http, encoded("PNG"))
        with httpx.Client(base_url=second.url, timeout=60) as http:
            assert http.get(f"/v1/artifacts/{ours['id']}").json()["sha256"] == ours["sha256"]
            http.delete(f"/v1/artifacts/{ours['id']}").raise_for_status()
        assert httpx.get(theirs["url"]).content == encoded("PNG")  # the content has another one still
        with httpx.Client(base_url=first.url, timeout=60) as http:
            http.delete(f"/v1/artifacts/{theirs['id']}").raise_for_status()
        assert s3.names(bucket) == []
