"""Meshy's 3D tasks."""
