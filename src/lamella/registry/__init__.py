"""Registries: authentication, pull and push (not built yet)."""
