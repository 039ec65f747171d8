"""Thin drivers of the use cases (HTTP, command line) and the composition root."""
