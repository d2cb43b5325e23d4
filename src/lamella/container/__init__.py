"""Containers (not built yet)."""
