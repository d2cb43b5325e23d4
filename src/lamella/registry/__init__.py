"""Registries: their configuration, credentials and protocol."""
