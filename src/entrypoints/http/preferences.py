"""What a client would prefer (RFC 7240): here, how long to wait for a generation in the background."""

import re

from .exchange import Request

LONGEST_WAIT_S = 600
_WAIT = re.compile(r'(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;[^,]*)?(?=,|$)', re.IGNORECASE)


def wait_preferred(req: Request) -> int | None:
    """The seconds of `Prefer: wait=<s>`, 600 at the most; None without a preference that is understood."""
    found = _WAIT.search(req.get_header("Prefer") or "")
    return min(int(found[1]), LONGEST_WAIT_S) if found else None
