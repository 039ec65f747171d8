"""How many files the process may open: each connection is one, and the usual soft limit of 1,024 is soon reached."""

import resource

OTHERS = 512
"""What the service opens besides: databases, models, artifacts, connections to providers."""


def allow_open_files(connections: int) -> None:
    """Raise the soft limit so that there is room for so many connections, as far as the hard one goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHERS
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
