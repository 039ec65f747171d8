"""Adapters that keep everything in memory: to develop against, and for tests."""
