"""The table `[artifacts]` of the settings."""

from typing import Annotated

from attrs import frozen

from ...domain.parameters import Field


@frozen(kw_only=True)
class ArtifactSettings:
    """Where files are kept that were generated or uploaded, how they are given out, and what may come in."""

    store: Annotated[
        str,
        Field(
            "`disk` (the folder artifacts in the data folder), `s3` (any compatible store), `module:Class`, or the "
            "name of an entry point. The index of them is in the database of the sessions if that is PostgreSQL, else "
            "on the disk."
        ),
    ] = "disk"
    threshold_bytes: Annotated[
        int,
        Field("Up to this size a file is put into an answer as base64; above it has a URL.", 0, 2**23, unit="bytes"),
    ] = 2**20
    url_ttl_s: Annotated[int, Field("How long a URL is good.", 1, 604_800, unit="seconds")] = 3_600
    keep_days: Annotated[
        int | None,
        Field("How long an artifact is kept; absent: until it is deleted.", 1, 36_500, unit="days", examples=(90,)),
    ] = None
    public_url: Annotated[
        str | None,
        Field(
            "How clients reach this service, for the URLs that it gives; absent: as the request did that asks for one.",
            examples=("https://llm.example.com",),
        ),
    ] = None
    url_keys_env: Annotated[
        str | None,
        Field(
            "Name of the environment variable that holds the keys of URLs (64 hexadecimal digits each, the one that "
            "signs first), which hosts behind one address share; absent: the file artifacts/url.keys in the data "
            "folder.",
            examples=("ARTIFACT_URL_KEYS",),
        ),
    ] = None
    upload_limit_bytes: Annotated[
        int, Field("The largest input: uploaded, in a request, or fetched.", 1_024, 2**30, unit="bytes")
    ] = 20 * 2**20
    picture_limit_pixels: Annotated[
        int, Field("The largest input picture, width times height.", 1, 2**30, unit="pixels")
    ] = 2**25
    fetch_plain_http: Annotated[bool, Field("Fetch inputs from `http:` URLs too, not only `https:`.")] = False
    fetch_private_origins: Annotated[
        tuple[str, ...],
        Field(
            "Servers of your own that inputs may be fetched from although they are not public.",
            examples=(["http://pictures.internal:8000"],),
        ),
    ] = ()
    fetch_timeout_s: Annotated[float, Field("How long fetching one input may take.", 0.1, 600, unit="seconds")] = 20.0
    s3_endpoint: Annotated[
        str | None, Field("For `s3`: the URL of the store.", examples=("https://s3.eu-central-1.amazonaws.com",))
    ] = None
    s3_public_endpoint: Annotated[
        str | None,
        Field(
            "For `s3`: where clients reach the store, if that is another address.",
            examples=("https://files.example.com",),
        ),
    ] = None
    s3_bucket: Annotated[str | None, Field("For `s3`: the bucket, which must be there.", examples=("artifacts",))] = (
        None
    )
    s3_region: Annotated[str, Field("For `s3`: the region of the bucket.")] = "us-east-1"
    s3_access_key_env: Annotated[
        str, Field("For `s3`: name of the environment variable that holds the access key.")
    ] = "AWS_ACCESS_KEY_ID"
    s3_secret_key_env: Annotated[
        str, Field("For `s3`: name of the environment variable that holds the secret key.")
    ] = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - a name
