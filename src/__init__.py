"""Pluggably LLM API Gateway: one HTTP API for text, image and 3D generation over any backend."""

__version__ = "0.1.0"
