"""Dockerfile text as a lossless tree. Pure."""
