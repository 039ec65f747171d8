"""The tables `[server]` and `[logging]`."""

from typing import Annotated, Literal

from attrs import frozen

from ...domain.parameters import Field


@frozen(kw_only=True)
class ServerSettings:
    """How the HTTP service listens."""

    host: Annotated[str, Field("Address to listen on. Without credentials only a loopback address is accepted.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Field("TCP port; 0 takes a free one.", 0, 65_535)] = 8080
    workers: Annotated[int, Field("How many processes serve; more than one need sessions in PostgreSQL.", 1, 256)] = 1
    body_limit_bytes: Annotated[int, Field("The largest request body.", 1_024, 2**30, unit="bytes")] = 10 * 2**20
    json_depth: Annotated[int, Field("How deep the JSON of a request may be nested.", 4, 512)] = 32
    head_limit_bytes: Annotated[
        int, Field("The most that the line and the headers of a request may have.", 1_024, 2**20, unit="bytes")
    ] = 32_768
    header_limit: Annotated[int, Field("How many headers a request may have.", 10, 1_000)] = 100
    arrival_s: Annotated[
        int,
        Field(
            "How long the headers of a request may take to come. Of a body 500 bytes a second must come, looked at "
            "as often.",
            1,
            3_600,
            unit="seconds",
        ),
    ] = 20
    connections: Annotated[int, Field("How many connections each process takes at once.", 1, 1_000_000)] = 1_000
    cors_origins: Annotated[
        tuple[str, ...],
        Field(
            "Sites whose pages may call the API from a browser, such as a front end of your own.",
            examples=("https://studio.example.com",),
        ),
    ] = ()
    access_log: Annotated[bool, Field("Log a line for each request.")] = True
    drain_s: Annotated[
        int, Field("How long running requests may take to finish when the service stops.", 0, 3_600, unit="seconds")
    ] = 30


@frozen(kw_only=True)
class LoggingSettings:
    """What is logged, on standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Field("The least that is worth a line.")] = "info"
    format: Annotated[Literal["auto", "console", "json"], Field("`auto`: for people on a terminal, else JSON.")] = (
        "auto"
    )
