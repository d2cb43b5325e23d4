"""Ordered rewriting passes over a Dockerfile's text."""
