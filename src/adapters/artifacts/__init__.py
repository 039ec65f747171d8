"""Artifacts: where their contents are, which there are, and what may come in from outside."""
