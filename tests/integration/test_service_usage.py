"""What was used outlives the process that noted it."""

import httpx

from .service import Service

MODEL = "smollm2-135m-instruct"


def test_a_process_that_is_killed_loses_nothing_of_what_was_used(tmp_path, demo_gguf):
    service, told = Service(tmp_path, demo_gguf.parent).start(), []
    for number in range(1, 4):
        body = {"model": MODEL, "input": "Hello", "parameters": {"max_tokens": number}}
        told.append(httpx.post(f"{service.url}/v1/generations/text", json=body, timeout=60).json()["usage"])
    service.kill()
    with service as again:
        (counts,) = httpx.get(f"{again.url}/v1/usage?group_by=model").json()["data"]
    assert (counts["group"], counts["generations"]) == (MODEL, 3)
    for kind in ("input_tokens", "output_tokens", "cached_input_tokens"):
        assert counts[kind] == sum(it[kind] for it in told)
