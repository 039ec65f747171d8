"""`pluggably migrate`, and a service that was started before it."""

from pluggably.adapters.database.migrations import migrations

from .pluggably import pluggably

ON_POSTGRES = '[sessions]\nstore = "postgres"\nurl_env = "DATABASE_URL"\n'


def test_the_service_starts_only_on_a_database_that_was_migrated(postgres, tmp_path):
    (tmp_path / "pluggably.toml").write_text(ON_POSTGRES)
    with postgres.database(template="template1") as url:
        early = pluggably("serve", "--port", "0", cwd=tmp_path, DATABASE_URL=url)
        assert (early.returncode, early.stdout) == (1, "")
        assert "run `pluggably migrate`" in early.stderr
        first, second = (pluggably("migrate", cwd=tmp_path, DATABASE_URL=url) for _ in range(2))
    assert (first.returncode, first.stdout, first.stderr) == (
        0,
        "".join(f"Done: {it.name}\n" for it in migrations()),
        "",
    )
    assert (second.returncode, second.stdout) == (0, "Nothing to do.\n")


def test_a_store_that_migrates_itself_needs_nothing(tmp_path):
    done = pluggably("migrate", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Nothing to do.\n", "")


def test_a_database_that_is_away_is_one_sentence(tmp_path):
    (tmp_path / "pluggably.toml").write_text(ON_POSTGRES)
    refused = pluggably("migrate", cwd=tmp_path, DATABASE_URL=f"postgresql://u:hunter2@/x?host={tmp_path}")
    assert refused.returncode == 1
    assert refused.stderr == "pluggably: The session database cannot be reached, or did not answer in time.\n"
