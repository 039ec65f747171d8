"""`pluggably audit verify` without a file, and `checkpoints`, before a service whose log is real."""

import asyncio
import json
import re
from base64 import b64encode
from pathlib import Path

import pytest

from pluggably.adapters.audit.notes import SigningNotes
from pluggably.adapters.audit.signing import SigningKey
from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.domain.merkle import TreeHead
from tests.contracts.session_store import a_stored_session
from tests.integration.cli.pluggably import pluggably
from tests.integration.http.world import World, serving

STRANGER = SigningKey(Path("nowhere"), seed=bytes(32))


@pytest.fixture
async def world(tmp_path):
    """Three sessions of an event each, with a checkpoint behind each of the first two."""
    store = sqlite_sessions(tmp_path)
    world = World(store=store, keys=tmp_path)
    for name in ("ses_a", "ses_b"):
        await a_stored_session(store, name)
        await world.checkpoints.make()
    await a_stored_session(store, "ses_c")
    yield world
    await store.close()


@pytest.fixture
async def audit(world):
    async with serving(world.app()) as url:

        def run(*words: str):
            return asyncio.to_thread(pluggably, "audit", *words, "--url", url)

        yield run


@pytest.fixture
def copy(tmp_path):
    """The auditor's own copy, taken from the second place."""

    def of(*notes: str) -> str:
        text = "".join(f"{it}\n" for it in notes) if notes else (tmp_path / "audit" / "checkpoints.txt").read_text()
        (tmp_path / "copy.txt").write_text(text)
        return str(tmp_path / "copy.txt")

    return of


def public(key: SigningKey) -> str:
    return b64encode(key.public_key().raw).decode()


async def test_verify_says_what_is_whole_and_what_it_cannot_vouch_for(audit):
    told = await audit("verify")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.splitlines() == [
        "VALID: 4 events of 3 sessions are whole, and as 2 checkpoints say.",
        "Whose key signed them, the service alone has said: give --key to insist on one.",
        "2 events are newer than the last checkpoint.",
    ]


async def test_verify_insists_on_a_key(audit, world):
    assert (await audit("verify", "--key", public(world.signer))).returncode == 0
    refused = await audit("verify", "--key", public(STRANGER))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "INVALID: the service's checkpoint of 2 events is not signed by the key.\n"


async def test_verify_names_the_checkpoint_and_where_it_is_kept(audit, tmp_path):
    file = tmp_path / "audit" / "checkpoints.txt"
    file.write_text(file.read_text().replace("\n1\n", "\n7\n"))
    refused = await audit("verify")
    assert refused.stderr == (
        "INVALID: the second place has a note at its beginning that is not signed by this gateway's key.\n"
    )


async def test_a_copy_of_one_s_own_is_compared(audit, copy):
    told = await audit("verify", "--checkpoints", copy())
    assert (told.returncode, told.stderr) == (0, "")
    assert "copy.txt are among them." in told.stdout


@pytest.mark.parametrize(
    ("note", "said"),
    [
        (lambda notes: notes.sign(TreeHead(2, bytes(32))), "of 2 events in .* says another history"),
        (lambda notes: notes.sign(TreeHead(9, bytes(32))), "of 9 events in .* is not among those of the service"),
        (lambda notes: SigningNotes(STRANGER).sign(TreeHead(1, bytes(32))), "note 1 of .* is not signed by the key"),
        (lambda notes: "Dear diary\n", "note 1 of .* is not signed by the key"),
    ],
    ids=["another root", "a larger one", "another key", "no note"],
)
async def test_a_copy_that_tells_something_else_is_named(audit, copy, world, note, said):
    refused = await audit("verify", "--checkpoints", copy(note(SigningNotes(world.signer))))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("INVALID: ")
    assert re.search(said, refused.stderr)


async def test_an_empty_copy_proves_nothing(audit, copy, tmp_path):
    file = copy()
    (tmp_path / "copy.txt").write_text("")
    refused = await audit("verify", "--checkpoints", file)
    assert (refused.returncode, refused.stderr) == (1, f"INVALID: {file} holds no checkpoint.\n")


async def test_checkpoints_are_printed_as_they_are_kept(audit, tmp_path):
    printed = await audit("checkpoints")
    assert printed.stdout == (tmp_path / "audit" / "checkpoints.txt").read_text()
    newest = await audit("checkpoints", "--limit", "1")
    assert printed.stdout.endswith(newest.stdout)
    assert newest.stdout.splitlines()[1] == "2"
    assert [it["events"] for it in json.loads((await audit("checkpoints", "--json")).stdout)] == [1, 2]


async def test_programs_get_json(audit, tmp_path):
    found = json.loads((await audit("verify", "--json")).stdout)
    assert (found["valid"], found["contradiction"]) == (True, None)
    (tmp_path / "audit" / "checkpoints.txt").write_text("Dear diary\n" * 200)
    refused = await audit("verify", "--json")
    assert (refused.returncode, json.loads(refused.stdout)["valid"]) == (1, False)


@pytest.mark.parametrize("words", [("--checkpoints", "copy.txt"), ("--json",)])
async def test_what_belongs_to_the_log_is_refused_with_an_export(words, tmp_path):
    refused = await asyncio.to_thread(pluggably, "audit", "verify", "export.jsonl", *words)
    assert refused.returncode == 1
    assert "leave the file away" in refused.stderr


async def test_a_copy_that_is_not_there_is_said_in_a_sentence(audit):
    refused = await audit("verify", "--checkpoints", "nowhere.txt")
    assert (refused.returncode, refused.stderr) == (
        1,
        "pluggably: nowhere.txt cannot be read: No such file or directory.\n",
    )
