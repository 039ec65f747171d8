"""The tables `[sessions]` and `[audit]`."""

from typing import Annotated

from attrs import frozen

from ...domain.parameters import Field


@frozen(kw_only=True)
class SessionSettings:
    """Where sessions are kept, and how long."""

    store: Annotated[
        str,
        Field(
            "`sqlite` (one process), `postgres` (several; run `pluggably migrate` first), `memory` (lost at the end), "
            "`module:Class`, or the name of an entry point."
        ),
    ] = "sqlite"
    url_env: Annotated[
        str | None,
        Field(
            "For `postgres`: name of the environment variable that holds the connection URL, which never stands here.",
            examples=("DATABASE_URL",),
        ),
    ] = None
    master_key_env: Annotated[
        str | None,
        Field(
            "Name of the environment variable that holds the master key (64 hexadecimal digits), which hosts on one "
            "database share; absent: the file sessions/master.key in the data folder.",
            examples=("SESSIONS_MASTER_KEY",),
        ),
    ] = None
    busy_wait_s: Annotated[
        float, Field("How long a turn waits for the one before it in its session.", 0, 600, unit="seconds")
    ] = 10.0
    max_events: Annotated[
        int, Field("How many events a session may have; then it goes on in another one.", 10, 1_000_000)
    ] = 10_000
    audit_days: Annotated[
        int,
        Field(
            "A session that was closed so long ago is erased, unless it is on hold; 0: at once, -1: never.",
            -1,
            36_500,
            unit="days",
        ),
    ] = 184
    token_days: Annotated[
        int,
        Field(
            "How long the state tokens of a closed session are kept, at most as long as it; 0: not at all.",
            0,
            36_500,
            unit="days",
        ),
    ] = 184
    retention_every_s: Annotated[
        int,
        Field("How often is looked for what was kept long enough; 0: only on demand.", 0, 604_800, unit="seconds"),
    ] = 3_600


@frozen(kw_only=True)
class AuditSettings:
    """What is signed of the log of all events, and where that is kept."""

    checkpoint_every_s: Annotated[
        float, Field("How often a checkpoint is made of a log that has grown.", 1, 86_400, unit="seconds")
    ] = 60.0
    checkpoints_folder: Annotated[
        str | None,
        Field(
            "The second place of checkpoints, best on another disk or host; absent: audit in the data folder.",
            examples=("/mnt/worm/pluggably",),
        ),
    ] = None
    signing_key_env: Annotated[
        str | None,
        Field(
            "Name of the environment variable that holds the signing key (64 hexadecimal digits), which hosts on one "
            "database share; absent: the file sessions/signing.key in the data folder.",
            examples=("AUDIT_SIGNING_KEY",),
        ),
    ] = None
