"""The table `[downloads]` of the settings."""

from typing import Annotated

from attrs import frozen

from ...domain.parameters import Field


@frozen(kw_only=True)
class DownloadSettings:
    """How models are brought here, and from where they may be."""

    parallel: Annotated[int, Field("How many downloads are at work at once; others wait.", 1, 32)] = 2
    streams: Annotated[int, Field("How many connections one download has.", 1, 32)] = 4
    rate_limit_bytes_per_s: Annotated[
        int | None,
        Field(
            "How fast all downloads together may be; absent: as fast as they can.",
            1_024,
            unit="bytes per second",
            examples=(10 * 2**20,),
        ),
    ] = None
    min_free_bytes: Annotated[
        int, Field("What a download must leave free on the disk; else it is refused.", 0, unit="bytes")
    ] = 2**30
    silence_s: Annotated[
        float, Field("How long a source may say nothing before it is asked again.", 0.1, 3_600, unit="seconds")
    ] = 30.0
    tries: Annotated[
        int, Field("How often in a row a source is asked that gives nothing; the waits between them grow.", 1, 100)
    ] = 8
    plain_http: Annotated[bool, Field("Fetch from `http:` URLs too, not only `https:`.")] = False
    private_origins: Annotated[
        tuple[str, ...],
        Field(
            "Servers of your own that models may be fetched from although they are not public.",
            examples=(["http://models.internal:8000"],),
        ),
    ] = ()
    file_folders: Annotated[
        tuple[str, ...],
        Field("Folders of this machine that `file:` sources may be in.", examples=(["/mnt/models"],)),
    ] = ()
    hub_endpoint: Annotated[str, Field("Where `hf:` sources are: a hub, or a mirror of one.")] = (
        "https://huggingface.co"
    )
    hub_token_env: Annotated[
        str | None,
        Field(
            "Name of the environment variable that holds the hub's token, for models that not everybody is given.",
            examples=("HF_TOKEN",),
        ),
    ] = None
    s3_endpoint: Annotated[
        str | None,
        Field("Where `s3:` sources are; absent: there are none.", examples=("https://s3.eu-central-1.amazonaws.com",)),
    ] = None
    s3_region: Annotated[str, Field("The region of the buckets.")] = "us-east-1"
    s3_access_key_env: Annotated[str, Field("Name of the environment variable that holds the access key.")] = (
        "AWS_ACCESS_KEY_ID"
    )
    s3_secret_key_env: Annotated[str, Field("Name of the environment variable that holds the secret key.")] = (
        "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - a name
    )
