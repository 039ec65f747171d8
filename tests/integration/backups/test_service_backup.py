"""A backup of a service that is written to meanwhile, put back elsewhere; and backups that are not what they were."""

import sqlite3
import tarfile
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest

from tests.integration.cli.pluggably import pluggably
from tests.integration.service import Service
from tests.pictures import encoded

MODEL = "smollm2-135m-instruct"
SHARED = """
[sessions]
store = "postgres"
url_env = "SESSIONS_URL"
master_key_env = "SESSIONS_MASTER_KEY"
[artifacts]
store = "s3"
s3_endpoint = "{endpoint}"
s3_bucket = "{bucket}"
s3_access_key_env = "S3_ACCESS"
s3_secret_key_env = "S3_SECRET"
"""


def history(http: httpx.Client) -> dict[str, list[str]]:
    """The hash of every event of every session."""
    found, query = {}, {"limit": 100}
    while True:
        page = http.get("/sessions", params=query).json()
        for it in page["data"]:
            events = http.get(f"/sessions/{it['id']}/events", params={"limit": 1000}).json()["data"]
            found[it["id"]] = [event["hash"] for event in events]
        if not page["has_more"]:
            return found
        query["after"] = page["next_after"]


def ask(http: httpx.Client, session: str) -> None:
    """A turn of the session."""
    body = {"model": MODEL, "input": "Hello", "session_id": session, "parameters": {"max_tokens": 4}}
    assert http.post("/generations/text", json=body).status_code == 200


def upload(http: httpx.Client, number: int) -> httpx.Response:
    """Upload a picture that is another one for each number."""
    content = encoded("PNG", (number + 1, 3))
    return http.post("/artifacts", content=content, headers={"Content-Type": "image/png"})


@contextmanager
def being_written_to(url: str):
    """Somebody opens and renames sessions, uploads and deletes files, until the context is left."""
    ended, going, failures = Event(), Event(), []

    def write() -> None:
        with httpx.Client(base_url=f"{url}/v1", timeout=60) as http:
            number = 0
            while not ended.is_set():
                number += 1
                session = http.post("/sessions", json={"title": "meanwhile"})
                renamed = http.patch(f"/sessions/{session.json()['id']}", json={"title": f"number {number}"})
                kept, deleted = upload(http, 2 * number), upload(http, 2 * number + 1)
                gone = http.delete(f"/artifacts/{deleted.json()['id']}")
                failures.extend(it.text for it in (session, renamed, kept, deleted, gone) if it.is_error)
                if number == 5:
                    going.set()

    thread = Thread(target=write)
    thread.start()
    try:
        assert going.wait(60)
        yield
    finally:
        ended.set()
        thread.join()
    assert failures == []


def expect_the_same(before: dict[str, list[str]], after: dict[str, list[str]], there: dict[str, list[str]]) -> None:
    """Everything from before the backup is `there`, and nothing that was not in what came to be."""
    assert {name: there[name][: len(events)] for name, events in before.items()} == before
    assert {name: after[name][: len(events)] for name, events in there.items()} == there
    assert len(there) < len(after)  # or nobody wrote meanwhile


def backed_up_and_restored(service: Service, target: Service, secrets: dict[str, str], there: dict[str, str]) -> Path:
    """The backup; the restored service is checked to be the same and to go on."""
    with httpx.Client(base_url=f"{service.url}/v1", timeout=60) as http:
        session = http.post("/sessions", json={"title": "kept"}).json()["id"]
        ask(http, session)
        picture = upload(http, 0).json()["id"]
        erased = http.post("/sessions", json={"title": "gone"}).json()["id"]
        http.delete(f"/sessions/{erased}")
        before = history(http)
        with being_written_to(service.url):
            made = pluggably("backup", str(service.folder / "copy.tar"), cwd=service.folder, **secrets)
        assert made.returncode == 0, made.stderr
        after = history(http)
    done = pluggably("restore", str(service.folder / "copy.tar"), cwd=target.folder, **there)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Restored and verified: ")
    counted = made.stdout.partition(": ")[2].partition(" of ")[0]
    assert counted in done.stdout
    with target, httpx.Client(base_url=f"{target.url}/v1", timeout=60) as http:
        assert http.get("/audit/verify").json()["fault"] is None
        expect_the_same(before, after, history(http))
        assert http.get(f"/sessions/{erased}").status_code in (404, 410)
        url = http.post(f"/artifacts/{picture}/sign", json={}).json()["url"]
        assert httpx.get(url).content == encoded("PNG", (1, 3))
        ask(http, session)
        assert http.get("/audit/verify").json()["fault"] is None
    return service.folder / "copy.tar"


@pytest.fixture(scope="module")
def backup(tmp_path_factory, demo_gguf) -> Path:
    """A backup of a service on SQLite, of which a restore was found to be the same."""
    here, there = tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("there")
    target = Service(there, demo_gguf.parent)
    with Service(here, demo_gguf.parent) as service:
        return backed_up_and_restored(service, target, {}, {})


def refused(backup: Path, folder: Path) -> str:
    """What a restore says that must not leave anything."""
    (folder / "pluggably.toml").write_text(f'data_dir = "{folder}/data"\n')
    done = pluggably("restore", str(backup), cwd=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert not any((folder / "data").glob("*")), "something was left"
    return done.stderr


def altered(backup: Path, folder: Path, change) -> Path:
    """A copy whose sessions somebody changed, and who then made the sum of it right."""
    path = folder / "altered.tar"
    with tarfile.open(backup) as source, tarfile.open(path, "w") as target:
        for entry in source:
            file = folder / "part"
            file.write_bytes(source.extractfile(entry).read())
            if entry.name.endswith("/sessions.sqlite"):
                change(file)
                entry.size = file.stat().st_size
            with file.open("rb") as content:
                target.addfile(entry, content)
    with path.open("r+b") as file:
        digest = file_digest(file, "sha256").hexdigest()
        file.write(f"pluggably backup, sha256 {digest}\n".encode())
    return path


def test_a_service_on_sqlite_is_backed_up_amid_writes_and_goes_on_elsewhere(backup):
    assert backup.stat().st_mode & 0o077 == 0  # it has the keys


def test_a_service_on_postgres_and_s3_is_backed_up_amid_writes_and_goes_on_elsewhere(postgres, s3, tmp_path, demo_gguf):
    folders, settings = [tmp_path / "here", tmp_path / "there"], []
    secrets = {"SESSIONS_MASTER_KEY": "ab" * 32, "S3_ACCESS": s3.access_key, "S3_SECRET": s3.secret_key}
    for folder in folders:
        folder.mkdir()
        settings.append(SHARED.format(endpoint=s3.endpoint, bucket=s3.bucket().name))
    with postgres.database() as url, postgres.database(template="template1") as new:
        here, there = secrets | {"SESSIONS_URL": url}, secrets | {"SESSIONS_URL": new}
        target = Service(folders[1], demo_gguf.parent, settings[1], there)
        with Service(folders[0], demo_gguf.parent, settings[0], here) as service:
            backup = backed_up_and_restored(service, target, here, there)
        again = pluggably("restore", str(backup), cwd=folders[1], **there)
    assert again.returncode == 1
    assert "is not empty" in again.stderr


def test_a_bit_that_flipped_is_found_and_nothing_restored(backup, tmp_path):
    damaged = tmp_path / "damaged.tar"
    content = bytearray(backup.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    assert "is damaged" in refused(damaged, tmp_path)


def test_a_backup_whose_end_is_cut_off_is_refused(backup, tmp_path):
    cut = tmp_path / "cut.tar"
    cut.write_bytes(backup.read_bytes()[:-100_000])
    assert "its end is cut off" in refused(cut, tmp_path)


def test_events_that_somebody_altered_in_a_backup_are_found_by_the_audit(backup, tmp_path):
    def change(file: Path) -> None:
        with sqlite3.connect(file) as connection:
            connection.execute("UPDATE stored_events SET state = state || x'00' WHERE notification_id = 2")
        connection.close()

    assert "has bytes that do not give its hash" in refused(altered(backup, tmp_path, change), tmp_path)


def test_events_that_somebody_took_out_of_a_backup_are_missed(backup, tmp_path):
    def change(file: Path) -> None:
        with sqlite3.connect(file) as connection:
            ((session,),) = connection.execute("SELECT id FROM session_list ORDER BY id DESC LIMIT 1")
            connection.execute("DELETE FROM stored_events WHERE originator_id = ?", (session,))
            connection.execute("DELETE FROM session_list WHERE id = ?", (session,))
            connection.execute("DELETE FROM log_checkpoints")
        connection.close()

    assert "is not whole" in refused(altered(backup, tmp_path, change), tmp_path)


def test_a_restore_touches_nothing_that_is_there(backup, tmp_path):
    (tmp_path / "pluggably.toml").write_text(f'data_dir = "{tmp_path}"\n')
    (tmp_path / "jobs.key").write_text("of another service")
    done = pluggably("restore", str(backup), cwd=tmp_path)
    assert done.returncode == 1
    assert "is not empty: it has jobs.key" in done.stderr
    assert {it.name for it in tmp_path.iterdir()} == {"pluggably.toml", "jobs.key"}


def test_a_backup_replaces_no_file(tmp_path):
    (tmp_path / "there").write_text("something")
    done = pluggably("backup", str(tmp_path / "there"), cwd=tmp_path)
    assert (done.returncode, (tmp_path / "there").read_text()) == (1, "something")
    assert "a backup replaces nothing" in done.stderr


def test_where_nothing_ever_ran_there_is_nothing_to_back_up(tmp_path):
    done = pluggably("backup", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 1
    assert "There is nothing to back up" in done.stderr
    assert [it.name for it in tmp_path.iterdir()] == []
