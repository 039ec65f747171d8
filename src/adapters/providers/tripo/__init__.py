"""Tripo's 3D tasks."""
