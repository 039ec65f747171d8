"""Stability AI's pictures and meshes."""
