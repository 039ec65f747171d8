"""Meshes in the answers of providers."""
