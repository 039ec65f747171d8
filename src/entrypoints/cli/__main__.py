"""`python -m pluggably.entrypoints.cli`."""

from . import main

main()
