"""Hugging Face's inference providers."""
